"""Responses made of answers: encoded once, in the core, and sent byte for byte."""

from typing import Any, Final, Generic, TypeVar, cast

from litestar import Response
from litestar.enums import MediaType
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from typing_extensions import override

from loyalty_core.use_cases.answers import Answer, Recorded, encode

AnswerT = TypeVar("AnswerT", bound=Answer)

_JSON: Final = (b"content-type", MediaType.JSON.value.encode())


class Answered(Response[AnswerT], Generic[AnswerT]):
    """An answer on its way out."""

    def __init__(
        self, answer: AnswerT, status_code: int, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> None:
        # Not the framework's own, which prepares what only its `to_asgi_response` takes.
        self.content = answer
        self._status = status_code
        self._headers = headers or {}
        self._body = encode(answer) if body is None else body

    @classmethod
    def recorded(
        cls, recorded: Recorded[AnswerT], status_code: int, headers: dict[str, str] | None = None
    ) -> "Answered[AnswerT]":
        """An answer of record: the very bytes of the first time."""
        marked = {**(headers or {}), **({"Idempotent-Replayed": "true"} if recorded.replayed else {})}
        return cls(recorded.answer, status_code, body=recorded.body, headers=marked)

    @override
    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """What the framework sends. Its own can do much that no answer here needs, and costs as much as a decoding."""
        headers = [
            _JSON,
            (b"content-length", b"%d" % len(self._body)),
            *((name.lower().encode(), value.encode()) for name, value in self._headers.items()),
        ]
        # It is called, and nothing else is done with it.
        return cast("ASGIResponse", _Sending(self._status, headers, self._body))


class _Sending:
    """One whole answer as ASGI messages."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._status = status
        self._headers = headers
        self._body = body

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
