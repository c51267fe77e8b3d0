"""Every attack, and how it changes a call."""

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from tests.hostile.corpus.bodies import bodies
from tests.hostile.corpus.calls import CALLS, SESSION, Call, Sent, sent
from tests.hostile.corpus.headers import fields, targets
from tests.hostile.corpus.values import values


class Attack(NamedTuple):
    """A hostile input; what it becomes in a call."""

    name: str
    on: Callable[[Call], Sent]


def attacks() -> Iterator[Attack]:
    """All of them, in an order that never changes."""
    for number, (name, value) in enumerate(values()):
        yield Attack(f"{name} as a value", partial(_as_value, number, value))
        yield Attack(f"{name} instead of the first", partial(_as_value, 0, value))
        yield Attack(f"{name} as a name", partial(_as_name, value))
    for name in _bodies(CALLS[1].path):
        yield Attack(name, partial(_with_body, name))
    for name, field, content in fields():
        yield Attack(name, partial(_with_header, field, content))
    for position, (name, _) in enumerate(targets(b"/x")):
        yield Attack(name, partial(_with_target, position))


def _as_value(number: int, value: str, call: Call) -> Sent:
    """The value in one of the call's fields: which one depends on `number`, so that all have their turn."""
    if call.body is None:
        name = call.query or "x"
        return sent(call, query=f"{name}=".encode() + quote_from_bytes(_text(value)).encode())
    fields = call.fields()
    chosen = fields[number % len(fields)]
    pairs = [json.dumps(name) + ":" + (value if name == chosen else json.dumps(it)) for name, it in call.body.items()]
    return sent(call, ("{" + ",".join(pairs) + "}").encode())


def _as_name(value: str, call: Call) -> Sent:
    """The value as the name of one more field."""
    if call.body is None:
        return sent(call, query=quote_from_bytes(_text(value)).encode() + b"=1")
    name = value if value.startswith('"') else json.dumps(value)
    pairs = [*(json.dumps(known) + ":" + json.dumps(it) for known, it in call.body.items()), f"{name}:1"]
    return sent(call, ("{" + ",".join(pairs) + "}").encode())


def _with_body(name: str, call: Call) -> Sent:
    if call.body is None:
        return sent(call)._replace(body=_bodies(CALLS[1].path)[name])
    return sent(call, _bodies(call.path)[name])


@cache
def _bodies(path: str) -> dict[str, bytes]:
    (call,) = (call for call in CALLS if call.path == path)
    return dict(bodies(call))


def _with_header(name: bytes, value: bytes, call: Call) -> Sent:
    return sent(call).with_header(name, value)


def _with_target(position: int, call: Call) -> Sent:
    _, target = list(targets(call.path.encode()))[position]
    query = f"?{call.query}={SESSION}".encode() if call.query == "sessionId" and b"?" not in target else b""
    return sent(call)._replace(target=target + query)


def _text(value: str) -> bytes:
    """What a query can carry of a JSON text: at most what a header holds."""
    return value.strip('"').encode("utf-8", "surrogatepass")[:8000]
