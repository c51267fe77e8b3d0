"""Responses made of answers: encoded once, in the core, and sent byte for byte."""

from typing import Any, Generic, TypeVar

from litestar import Response
from litestar.enums import MediaType
from typing_extensions import override

from loyalty_core.use_cases.answers import Answer, Recorded, encode

AnswerT = TypeVar("AnswerT", bound=Answer)


class Answered(Response[AnswerT], Generic[AnswerT]):
    """An answer on its way out."""

    def __init__(
        self, answer: AnswerT, status_code: int, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(answer, status_code=status_code, media_type=MediaType.JSON, headers=headers)
        self._body = encode(answer) if body is None else body

    @classmethod
    def recorded(
        cls, recorded: Recorded[AnswerT], status_code: int, headers: dict[str, str] | None = None
    ) -> "Answered[AnswerT]":
        """An answer of record: the very bytes of the first time."""
        marked = {**(headers or {}), **({"Idempotent-Replayed": "true"} if recorded.replayed else {})}
        return cls(recorded.answer, status_code, body=recorded.body, headers=marked)

    @override
    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:
        return self._body
