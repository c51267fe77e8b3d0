"""What each fault does on the wire. The table of promises is in this package's README."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from loyalty_adapters.pdi_simulator.faults import Rule
from loyalty_adapters.pdi_simulator.messages import Rejection, Reply
from loyalty_adapters.pdi_simulator.oauth import TOKEN_PATH, error, refused_client, refused_token
from loyalty_adapters.pdi_simulator.wire import LAST_CHUNK, Exchange, chunk

# Judges the request as PDI would and returns its reply once everything in it is durable.
CarryOut = Callable[[], Awaitable[Reply]]
Act = Callable[[Rule, Exchange, CarryOut], Awaitable[None]]

HUGE_BYTES: Final = 12 * 1024 * 1024
_PIECE: Final = 64 * 1024
_SHORTEST_PAUSE: Final = 0.005


async def misbehave(rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    """Does what the rule says. A client that hangs up meanwhile stops no commit."""
    if rule.latency and rule.mode not in {"slow_headers", "slow_body"}:
        await asyncio.sleep(rule.latency)
    await _ACTS[rule.mode](rule, exchange, carry_out)


async def _answer(_rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    exchange.reply(await carry_out())


async def _silence(rule: Rule, _exchange: Exchange, carry_out: CarryOut) -> None:
    if rule.carries_out:
        await carry_out()


async def _error(rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    if rule.carries_out:
        await carry_out()
    if exchange.request.path == TOKEN_PATH and rule.mode in _TOKEN_ERRORS:
        exchange.reply(_TOKEN_ERRORS[rule.mode])
    else:
        exchange.reply(_ERRORS[rule.mode](rule).reply())


async def _garbage(rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    if rule.carries_out:
        await carry_out()
    # A leading 0xFF is neither JSON nor UTF-8, whatever the dice say.
    exchange.reply(Reply(200, b"\xff{" + secrets.token_bytes(200)))


async def _truncated(_rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    reply = await carry_out()
    exchange.write(reply.head(keep_alive=True) + reply.body[: len(reply.body) // 2])
    exchange.cut()


async def _wrong_types(_rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    reply = await carry_out()
    exchange.reply(Reply.of(_mistyped(msgspec.json.decode(reply.body)), reply.status, reply.headers))


async def _huge(_rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    reply = await carry_out()
    exchange.write(reply.head(keep_alive=True, framing="Transfer-Encoding: chunked"))
    exchange.write(chunk(reply.body[:-1] + b',"padding":"'))
    for _ in range(HUGE_BYTES // _PIECE):
        exchange.write(chunk(b"x" * _PIECE))
        await exchange.drain()
        if exchange.ended:
            return
    exchange.write(chunk(b'"}') + LAST_CHUNK)
    exchange.finish(reply.status)


async def _slow_headers(rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    reply = await carry_out()
    head = reply.head(keep_alive=True)
    await _trickle(exchange, head, rule.latency)
    exchange.write(reply.body)
    exchange.finish(reply.status)


async def _slow_body(rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    reply = await carry_out()
    exchange.write(reply.head(keep_alive=True))
    await _trickle(exchange, reply.body, rule.latency)
    exchange.finish(reply.status)


async def _drop(_rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    await carry_out()
    exchange.cut()


async def _twice(_rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    reply = await carry_out()
    exchange.write(reply.encode(keep_alive=True) * 2)
    exchange.finish(reply.status)


async def _reset(rule: Rule, exchange: Exchange, carry_out: CarryOut) -> None:
    if rule.carries_out:
        await carry_out()
    exchange.reset()


def _internal(_rule: Rule) -> Rejection:
    return Rejection(500, "internal_error", "PDI has failed.")


def _unavailable(_rule: Rule) -> Rejection:
    return Rejection(503, "unavailable", "PDI is not available.")


def _rate_limited(rule: Rule) -> Rejection:
    retry_after = (("Retry-After", str(rule.spec.retry_after_seconds)),)
    return Rejection(429, "rate_limited", "Too many calls.", {}, retry_after)


def _rejected(rule: Rule) -> Rejection:
    return Rejection(rule.spec.status, rule.spec.code, "PDI refuses this by its rules.")


def _unauthorized(_rule: Rule) -> Rejection:
    return refused_token()


def _session_lost(_rule: Rule) -> Rejection:
    return Rejection(404, "session_unknown", "PDI knows no such session.")


_ERRORS: Final[dict[str, Callable[[Rule], Rejection]]] = {
    "http_500": _internal,
    "http_503": _unavailable,
    "token_down": _unavailable,
    "rate_limited": _rate_limited,
    "reject": _rejected,
    "unauthorized": _unauthorized,
    "session_lost": _session_lost,
}

# The token endpoint has words of its own for a definite no.
_TOKEN_ERRORS: Final[dict[str, Reply]] = {
    "reject": error(400, "unauthorized_client"),
    "unauthorized": refused_client(),
}

_ACTS: Final[dict[str, Act]] = {
    "ok": _answer,
    "latency": _answer,
    "timeout": _silence,
    "late_success": _silence,
    "garbage": _garbage,
    "truncated": _truncated,
    "wrong_types": _wrong_types,
    "huge": _huge,
    "slow_headers": _slow_headers,
    "slow_body": _slow_body,
    "drop_after_commit": _drop,
    "duplicate_reply": _twice,
    "reset": _reset,
    **dict.fromkeys(_ERRORS, _error),
}


def _mistyped(value: Any) -> Any:
    """The same JSON shape with every value of another type."""
    match value:
        case dict():
            return {name: _mistyped(inner) for name, inner in value.items()}
        case list():
            return {"list": [_mistyped(inner) for inner in value]}
        case str():
            return [len(value)]
        case None:
            return 0
        case _:
            return f"about {value}"


async def _trickle(exchange: Exchange, data: bytes, seconds: float) -> None:
    """Writes `data` over `seconds`, byte by byte where there is time for it; gives up when the client has."""
    size = -(-len(data) // max(1, min(len(data), int(seconds / _SHORTEST_PAUSE))))
    pieces = -(-len(data) // size)
    clock = asyncio.get_running_loop().time
    started = clock()
    for piece in range(pieces):
        # The last byte arrives when the time is over, whatever each pause was rounded to.
        await asyncio.sleep(started + seconds * (piece + 1) / pieces - clock())
        if exchange.ended:
            return
        exchange.write(data[piece * size : (piece + 1) * size])
