"""One call of PDI's API: where it goes, what it carries, until when, and which answer belongs to it."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
from yarl import URL

from loyalty_adapters.pdi import wire

RequestT = TypeVar("RequestT", bound=msgspec.Struct)
ReplyT = TypeVar("ReplyT", bound=msgspec.Struct)


class Endpoint(Generic[RequestT, ReplyT]):
    """One call of PDI's: where it goes, what it answers, and how to tell that the answer is to this very request."""

    __slots__ = ("answers", "decoder", "method", "name", "url")

    def __init__(
        self, base: URL, method: str, name: str, reply: type[ReplyT], answers: Callable[[ReplyT, RequestT], bool]
    ) -> None:
        self.method = method
        self.name = name
        self.url = base / name
        self.decoder = msgspec.json.Decoder(reply)
        self.answers = answers

    def read(self, body: bytes, request: RequestT) -> ReplyT | None:
        """The reply, or None where it is not one, or not to this request."""
        try:
            reply = self.decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return reply if self.answers(reply, request) else None


class Call(Generic[RequestT, ReplyT]):
    """One call under way: what it may send once or, if its token is refused, twice."""

    __slots__ = ("body", "deadline", "endpoint", "headers", "request", "url", "within")

    def __init__(self, endpoint: Endpoint[RequestT, ReplyT], request: RequestT, within: float, key: str | None) -> None:
        self.endpoint = endpoint
        self.request = request
        self.within = within
        self.deadline = asyncio.get_running_loop().time() + within
        self.url = endpoint.url
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        if endpoint.method == "GET":
            self.url = endpoint.url.with_query(msgspec.to_builtins(request))
        else:
            self.body = wire.encode(request)
            self.headers["Content-Type"] = "application/json"
        if key is not None:
            self.headers["Idempotency-Key"] = key

    def time_left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - asyncio.get_running_loop().time()
