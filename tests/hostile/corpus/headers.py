"""Header fields and request targets that somebody might believe, echo, log, or remember."""

from collections.abc import Iterator
from typing import Final

_TEXTS: Final = (
    b"", b"x", b"'", b"' OR 1=1--", b"%s%n", b"${jndi:ldap://a.example/a}", b"<script>alert(1)</script>",
    b"../../etc/passwd",
    b"\xff\xfe\x80", b"\xc3\xa9" * 40, b"a" * 65, b"a" * 8000, b"a\tb", b"a b", b"a,b", b'"', b'""', b"\\",
    b"%0d%0aX: 1", b"{{7*7}}",
    b"a\x1b[31m", b"a\x00b", b"a\x7fb", b"a\rb", b"null", b"-1", b"*", b"0" * 100, b"\xe2\x80\xa8",
)  # fmt: skip
_NAMES: Final = (b"X-Request-Id", b"traceparent", b"If-Match", b"X-Forwarded-For", b"Content-Type")
_TRACE: Final = b"0af7651916cd43dd8448eb211c80319c"
_CHOSEN: Final = {
    b"Authorization": (
        b"", b"Bearer", b"Bearer ", b"bearer x", b"Bearer lk_", b"Bearer lk__", b"Bearer lk_0123456789abcdef_",
        b"Basic eDp5",
        b"Bearer lk_0123456789abcdef_" + b"A" * 43, b"Bearer lk_" + b"0" * 16 + b"_" + b"\xc3\xa9" * 21 + b"A",
        b"Digest a=b",
        b"Bearer " + b"A" * 20_000, b"Bearer lk_' OR 1=1--_A", b"Bearer null", b"Bearer eyJhbGciOiJub25lIn0.e30.",
        b"AWS4-HMAC",
        b"Bearer {key}x", b"Bearer {key},{key}", b"Bearer lk_0123456789ABCDEF_" + b"A" * 43, b"Bearer \t{key}\x00",
    ),
    b"X-API-Key": (b"", b"x", b"lk_0123456789abcdef_" + b"A" * 43, b"' OR 1=1--", b"\xff" * 100),
    b"Content-Type": (
        b"", b"text/plain", b"application/xml", b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/json; charset=utf-16", b"application/jsonp", b"application/json/../xml", b"application/", b"/",
        b";", b"json",
        b"application/json;" + b"a=b;" * 2000, b"application/msgpack", b"application/vnd.api+json",
        b"text/html, application/json",
        b'application/json; charset="', b"application/json; charset=\x80", b"*/*", b"application/json\x00",
    ),
    b"traceparent": (
        b"00", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", b"00-" + _TRACE + b"-" + b"0" * 16 + b"-01",
        b"ff-" + _TRACE + b"-b7ad6b7169203331-01", b"00-" + _TRACE.upper() + b"-B7AD6B7169203331-01",
        b"00-" + b"f" * 5000,
        b"00-" + _TRACE + b"-b7ad6b7169203331-01-" + b"a" * 2000, b"00-" + _TRACE + b"-b7ad6b7169203331-zz",
        b"99-" + _TRACE,
        b"00-" + _TRACE[:-1] + b"\xc2\xb2-b7ad6b7169203331-01",
        b"00-" + _TRACE + b"-b7ad6b7169203331-01, 00-" + _TRACE,
    ),
    b"tracestate": (b"a=b," * 4000, b"=", b"a", b"\xff=\xff", b"congo=t61rcWkgMzE" + b"," * 100),
    b"baggage": (b"a=b," * 4000, b"userId=' OR 1=1--", b"a=%00", b"=" * 500),
    b"If-Match": (
        b"1", b'"1', b'"999999999999999999999"', b'"0"', b'"-1"', b'W/"1"', b'"1", "2"', b"**",
        b'"' + b"9" * 10_000 + b'"', b"\xb2",
        b'"\xb2"', b'"1e9"', b'"0x1"', b'"1_0"',
    ),
    b"Host": (b"evil.example", b"a b", b"[::1", b"a:99999", b"a@b", b"a/b", b"\xff", b"a" * 5000, b"a#", b"a,b"),
    b"Accept": (b"", b"text/html", b"application/xml;q=1", b"*/*;q=" + b"9" * 1000, b"a" * 10_000, b"\xff", b";q=,,,"),
    b"Cookie": (b"a=b; " * 2000, b"session=' OR 1=1--", b"$Version=1", b"\xff=\xff", b"="),
    b"Content-Encoding": (b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"x"),
    b"Forwarded": (b"for=127.0.0.1;host=evil.example;proto=https", b'for="_x"', b"for=" * 1000, b"=;=,"),
    b"X-Forwarded-Host": (b"evil.example",),
    b"X-Forwarded-Proto": (b"javascript",),
    b"X-HTTP-Method-Override": (b"DELETE", b"GET"),
    b"X-Original-URL": (b"/metrics",),
    b"Range": (b"bytes=0-0,1-1,2-2", b"bytes=-1", b"bytes=" + b"0-0," * 3000),
    b"Expect": (b"200-ok", b"100-continue, x"),
    b"Idempotency-Key": (b"a" * 10_000, b"' OR 1=1--"),
    b"Origin": (b"null", b"https://evil.example"),
    b"Content-Language": (b"\xff" * 500,),
    b"Connection": (b"x-api-key", b"authorization, close", b"a," * 500),
    b"TE": (b"trailers, deflate;q=0.5",),
    b"X-" + b"x" * 500: (b"1",),
    b"X-Large": (b"x" * 20_000, b"x" * 31_000, b"x" * 33_000, b"x" * 100_000),
}  # fmt: skip


def fields() -> Iterator[tuple[str, bytes, bytes]]:
    """A name for the attack, and the header field."""
    for name in _NAMES:
        for number, value in enumerate(_TEXTS):
            yield f"{name.decode()} {number}", name, value
    for name, chosen in _CHOSEN.items():
        for number, value in enumerate(chosen):
            yield f"{name.decode()[:40]} chosen {number}", name, value


def targets(path: bytes) -> Iterator[tuple[str, bytes]]:
    """A name for the attack, and a request target instead of `path`."""
    first, rest = path[:2], path[2:]
    tricks = [
        path + b"/", b"/" + path, path + b"//", b"/." + path, b"/x/.." + path, path + b"/..", path + b"/../metrics",
        path + b"%00", path + b"%0a",
        path + b"%2f", b"/%2e%2e" + path, path + b";a=b", path + b"?" + b"a=b&" * 5000, path + b"?" + b"a" * 30_000,
        path + b"?%", path + b"?%zz",
        path + b"?sessionId=%ff%fe", path + b"?sessionId[]=1", path + b"?sessionId=1&sessionId=2",
        path + b"?__proto__=1", path + b"#a",
        path + b"?status=" + b"x&status=" * 900, path + b"?settledSince=0001-01-01T00:00:00%2B23:59",
        path + b"?cursor=" + b"A" * 20_000,
        path + b"?settledSince=9999-12-31T23:59:59-23:59", path + b"?settledSince=now()",
        path + b"?cursor=MjAyNiBzZXNzXw", path + b"?cursor=%00",
        path.upper(), b"http://evil.example" + path, b"https://a:b@evil.example" + path,
        b"/" + path[1:].replace(b"e", b"%65"), b"/" + b"a/" * 5000,
        first + b"\\" + rest, first + b"%c0%af" + rest, first + b"%e2%80%a8" + rest, first + b"%1b[31m" + rest,
        path + b"\xc3\xa9", b"*",
        b"/%ff%fe%fd", b"/$%7bjndi:ldap://a%7d", b"/<script>", b"/.git/config", b"/.env",
        b"/docs/../.loyalty/dev.env", b"/schema/openapi.yaml",
        b"/metrics/../cancel", b"/static/..%2f..%2fetc", b"/" + b"%41" * 3000, b"/?" + b"&" * 20_000,
    ]  # fmt: skip
    for number, target in enumerate(tricks):
        yield f"target {number}", target
