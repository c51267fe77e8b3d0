"""What travels: requests, replies and rejections, before any thought of sockets."""

from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import Any, Final

import msgspec

JSON_TYPE: Final = "application/json"
# Amounts leave as JSON numbers, digit for digit; a string would be another contract.
_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Request:
    """One request, whole: method, path, raw query, headers (names in lower case) and body."""

    __slots__ = ("body", "headers", "method", "path", "query")

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body


class Reply:
    """One reply, whole: status, body and the headers beyond the framing ones."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        headers: tuple[tuple[str, str], ...] = (),
        content_type: str = JSON_TYPE,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.content_type = content_type

    @classmethod
    def of(cls, value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> "Reply":
        """`value` as JSON; `Decimal` becomes a JSON number with the same digits."""
        return cls(status, _encoder.encode(value), headers)

    def head(self, *, keep_alive: bool, framing: str | None = None) -> bytes:
        """Status line and headers, blank line included.

        `framing` replaces the honest `Content-Length` where a fault wants another.
        """
        lines = [_STATUS_LINES[self.status], "Server: pdi-simulator\r\nDate: ", _date(), "\r\n"]
        lines.append(f"Content-Type: {self.content_type}\r\n")
        lines.append(f"{framing}\r\n" if framing is not None else f"Content-Length: {len(self.body)}\r\n")
        lines.extend(f"{name}: {value}\r\n" for name, value in self.headers)
        lines.append("\r\n" if keep_alive else "Connection: close\r\n\r\n")
        return "".join(lines).encode("latin-1")

    def encode(self, *, keep_alive: bool) -> bytes:
        """The reply as the bytes of HTTP/1.1."""
        return self.head(keep_alive=keep_alive) + self.body


class Rejection(Exception):
    """PDI says no, and means it: nothing was booked. On the wire `{"code","message","details"}`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details or {}
        self.headers = headers

    def reply(self) -> Reply:
        """The rejection as PDI sends it."""
        body = {"code": self.code, "message": self.message, "details": self.details}
        return Reply.of(body, self.status, self.headers)


class _Date:
    """The `Date` header, formatted once a second rather than once a reply."""

    second = 0
    text = ""


def _date() -> str:
    second = int(time())
    if second != _Date.second:
        _Date.second = second
        _Date.text = formatdate(second, usegmt=True)
    return _Date.text
