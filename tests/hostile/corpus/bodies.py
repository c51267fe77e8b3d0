"""Whole bodies that are not what they seem: malformed, ambiguous, bottomless or merely huge."""

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.hostile.corpus.calls import Call

_NAMES: Final = (
    "", " ", "__proto__", "constructor", "\u0000", "$where", "sessionid", "SESSIONID", "session_id", "sessionId ",
    "client", "clientId", "earnedPoints", "status", "scopes",
)  # fmt: skip


def bodies(call: Call) -> Iterator[tuple[str, bytes]]:
    """A name and the bytes of each body, made from the one that `call` takes; the same names for every call."""
    fields = dict(call.body or {})
    good = json.dumps(fields).encode()
    yield from _not_json(good)
    yield from _in_other_alphabets(good)
    yield from _bottomless(fields)
    yield from _ambiguous(fields)
    yield from _huge(fields)


def _not_json(good: bytes) -> Iterator[tuple[str, bytes]]:
    pieces = [
        b"", b" ", b"\n", b"\x00", b"null", b"true", b"0", b'"text"', b"[]", b"[{}]", b"{}", b"{", b"}", b"{]", b"[}",
        b'{"', b"'{}'",
        b"{,}", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{'a':1}", b"{a:1}", b'{"a":undefined}', b"{} {}", b"{}{}",
        b"{}\x00", b"<a/>",
        b"a=1&b=2", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--", b"\x80\x04\x95.",
        b"!!python/object:os.system",
        b"\xff\xfe\xfd", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf8\x88\x80\x80\x80", b"{\x0c}", b"{\xc2\xa0}", b"/**/{}",
        b"{}//", b"NaN",
        b"-Infinity", b")]}',\n{}", b"while(1);{}", b"\x1b[31m{}", b"{" + b" " * 100_000 + b"}",
    ]  # fmt: skip
    for number, body in enumerate(pieces):
        yield f"no JSON {number}", body
    for share in (3, 10, 25, 50, 75, 90, 99):
        yield f"cut off at {share} %", good[: max(1, len(good) * share // 100)]
    for number, tail in enumerate((b"x", b"}", b"{}", b",", b"\x00", b"\xff", b'"', b"[" * 10_000)):
        yield f"more behind it {number}", good + tail


def _in_other_alphabets(good: bytes) -> Iterator[tuple[str, bytes]]:
    text = good.decode()
    for name in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037"):
        yield f"as {name}", text.encode(name)
    yield "compressed", gzip.compress(good, mtime=0)
    yield "every character escaped", b'{"' + b"".join(b"\\u%04x" % byte for byte in good[2:20]) + b'":1}'


def _bottomless(fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for depth in (5, 64, 500, 1001, 10_000, 100_000):
        yield f"arrays {depth} deep", b"[" * depth
        yield f"closed arrays {depth} deep", b"[" * depth + b"]" * depth
        yield f"objects {depth} deep", b'{"a":' * depth + b"1" + b"}" * depth
    for field in list(fields)[:2]:
        nested = b'{"%b":' % field.encode() * 5_000 + b"1" + b"}" * 5_000
        yield f"field {list(fields).index(field)} in itself", nested


def _ambiguous(fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    pairs = [json.dumps(name) + ":" + json.dumps(value) for name, value in fields.items()]
    for position in range(2):
        name = json.dumps(list(fields)[min(position, len(fields) - 1)])
        for number, other in enumerate(("null", '"x"', "-1", "[]", "{}")):
            yield f"field {position} twice {number}", ("{" + ",".join([*pairs, f"{name}:{other}"]) + "}").encode()
    for number, key in enumerate(_NAMES):
        yield f"one more field {number}", ("{" + ",".join([*pairs, json.dumps(key) + ":1"]) + "}").encode()


def _huge(fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    yield "20,000 fields", json.dumps({f"f{number}": 1 for number in range(20_000)})[:262_000].encode()
    yield "50,000 items", json.dumps({**fields, "items": [0] * 50_000}).encode()
    item = {"sku": "A", "qty": 1}
    yield "501 items", json.dumps({**fields, "items": [item] * 501}).encode()
    yield "9,000 items", json.dumps({**fields, "items": [item] * 9_000}).encode()
    yield "one long name", json.dumps({"x" * 200_000: 1}).encode()
    yield "a byte too many", b'{"a":"' + b"x" * (256 * 1024 - 7) + b'"}'
    yield "a megabyte", b'{"a":"' + b"x" * 1_000_000 + b'"}'
    yield "metadata of 5 KiB", json.dumps({**fields, "metadata": {"a": "x" * 5000}}).encode()
    yield (
        "metadata of many names",
        json.dumps({**fields, "metadata": {f"f{number}": 1 for number in range(2000)}}).encode(),
    )
    yield "metadata six deep", json.dumps({**fields, "metadata": {"a": {"b": {"c": {"d": {"e": {}}}}}}}).encode()
    yield "metadata that escapes grow", json.dumps({**fields, "metadata": {"a": "\u0001" * 1000}}).encode()
