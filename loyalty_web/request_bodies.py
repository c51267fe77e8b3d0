"""Reading the body of a request: JSON only, bounded in size and time, decoded once and exactly, mistakes named."""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import InternalServerException
from litestar.types import HTTPReceiveMessage
from typing_extensions import override

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.domain.identifiers import is_session_id
from loyalty_core.ports.api_keys import ApiKey
from loyalty_web.desk import Desk
from loyalty_web.errors import BodyTooLarge, BodyTooSlow, NotJson
from loyalty_web.json_numbers import convert_custom, exact_number
from loyalty_web.request_facts import RequestFacts

MAX_BODY_BYTES: Final = 256 * 1024
BODY_SECONDS: Final = "body_seconds"
"""The key in the application's state of how long a body may take to arrive."""

DESK: Final = "desk"
"""The key of what makes a caller's desk."""

_decoders: Final[dict[type[Any], msgspec.json.Decoder[Any]]] = {}
_JSON: Final = b"application/json"
_LONGEST_NAME: Final = 64
_WHERE: Final = re.compile(r"(?P<what>.*) - at `(?P<path>\$.*)`", re.DOTALL)
_TYPE: Final = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<found>[^`]*)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_BYTE: Final = re.compile(r"(?P<what>.*) \(byte (?P<byte>\d+)\)")
_KINDS: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
    "datetime": "a time such as 2026-03-16T14:30:45Z",
}


class JsonRequest(Request[Caller, ApiKey, State]):
    """A request whose body, where its handler takes one, is a bounded JSON document."""

    __slots__ = ()

    @property
    def desk(self) -> Desk:
        """Where the call is served."""
        at: Callable[[Caller], Desk] = self.app.state[DESK]
        return at(self.user)

    @override
    async def body(self) -> bytes:
        """The body's bytes.

        Raises:
            NotJson, BodyTooLarge, BodyTooSlow: see there.
            ValidationFailed: there is none.
        """
        if isinstance(self._body, bytes):  # read before: the framework asks whether there is one, and then for it
            return self._body
        if not _is_plain_json(self.scope["headers"]):
            raise NotJson
        seconds: float = self.app.state[BODY_SECONDS]
        try:
            async with asyncio.timeout(seconds):
                self._body = await self._received()
        except TimeoutError:
            raise BodyTooSlow(seconds) from None
        if not self._body:
            raise ValidationFailed.of("body", "is empty; send a JSON object")
        return self._body

    async def _received(self) -> bytes:
        """All of the body, at most `MAX_BODY_BYTES`; one that says it is longer is not waited for."""
        announced = next((value for name, value in self.scope["headers"] if name == b"content-length"), b"0")
        if int(announced) > MAX_BODY_BYTES:
            raise BodyTooLarge(MAX_BODY_BYTES)
        body = b""
        while True:
            message = cast("HTTPReceiveMessage", await self.receive())
            if message["type"] == "http.disconnect":
                raise InternalServerException("the client has gone away before its body was there")
            body = body + message["body"] if body else message["body"]
            if len(body) > MAX_BODY_BYTES:
                raise BodyTooLarge(MAX_BODY_BYTES)
            if not message["more_body"]:
                return body

    @override
    async def json(self) -> Any:
        """The body as the type that the handler declares.

        Raises:
            ValidationFailed: it is not JSON, or not what the call takes; the error says where and what to send.
        """
        body = decode(await self.body(), self.route_handler.parsed_fn_signature.parameters["data"].annotation)
        session_id = getattr(body, "session_id", "")
        if is_session_id(session_id):
            RequestFacts.of(self.scope).note(sessionId=session_id)
        return body


def _is_plain_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the body is said to be JSON as it is. Nothing is unpacked: what a few bytes unpack to has no bound."""
    is_json = False
    for name, value in headers:
        if name == b"content-type":
            is_json = value.partition(b";")[0].strip().lower() == _JSON
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            return False
    return is_json


def decode(body: bytes, kind: type[Any]) -> Any:
    """`body` as a `kind`, numbers exact.

    Raises:
        ValidationFailed: see `JsonRequest.json`.
    """
    try:
        return _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        raise _unfit(str(error)) from None
    except RecursionError:
        raise ValidationFailed.of("body", "is nested too deep") from None
    except UnicodeDecodeError:
        raise ValidationFailed.of("body", "is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise ValidationFailed.of("body", _malformed(str(error), body)) from None


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    """The decoder of a body, made once."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = msgspec.json.Decoder(kind, dec_hook=convert_custom, float_hook=exact_number)
        _decoders[kind] = decoder
    return decoder


def _malformed(message: str, body: bytes) -> str:
    """Where the text stops being JSON, in the line and column an editor shows."""
    found = _BYTE.fullmatch(message)
    if found is None:
        return "is not JSON: it ends too early, or a string in it is not well-formed"
    what = found["what"].removeprefix("JSON is malformed: ")
    # The decoder counts what follows the document from the byte behind it.
    before = body[: int(found["byte"]) - what.startswith("trailing")]
    line = before.count(b"\n") + 1
    column = len(before) - (before.rfind(b"\n") + 1) + 1
    return f"is not JSON: {what} at line {line}, column {column}"


def _unfit(message: str) -> ValidationFailed:
    """The decoder's words as the name of a field and what to send in it."""
    located = _WHERE.fullmatch(message)
    what, path = (message, "$") if located is None else (located["what"], located["path"])
    inside = path.removeprefix("$").removeprefix(".").replace("[...]", "")  # of free-form objects no keys are told
    if missing := _MISSING.fullmatch(what):
        return ValidationFailed.of(_join(inside, missing["field"]), "is required")
    if unknown := _UNKNOWN.fullmatch(what):
        return ValidationFailed.of(
            _join(inside, _shown(unknown["field"])), "is not a field of this call; check its spelling, or leave it out"
        )
    if wrong := _TYPE.fullmatch(what):
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in wrong["wanted"].split(" | "))
        return ValidationFailed.of(inside or "body", f"must be {wanted}, not {_KINDS.get(wrong['found'], 'this')}")
    return ValidationFailed.of(inside or "body", what if what.startswith("must") else f"is not valid: {what}")


def _shown(name: str) -> str:
    """A name that the caller made up, short enough for an answer."""
    return name if 0 < len(name) <= _LONGEST_NAME else f'"{name[:_LONGEST_NAME]}"'


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
