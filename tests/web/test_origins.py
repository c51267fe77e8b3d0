"""Where a call is taken to come from: its peer, unless a trusted proxy says otherwise."""

from typing import Any

import pytest

from loyalty_web.origins import Origins, ProxyHeader, parse_networks

PROXIES = "10.0.0.0/8, 192.0.2.1, fd00::/8"
XFF = ProxyHeader.X_FORWARDED_FOR
RFC = ProxyHeader.FORWARDED


def scope(peer: str | None, *headers: tuple[str, str], scheme: str = "http") -> Any:
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return {"type": "http", "scheme": scheme, "client": None if peer is None else (peer, 5000), "headers": pairs}


@pytest.mark.parametrize(
    ("trusted", "header", "peer", "headers", "address"),
    [
        # Nobody is trusted, or not this peer: what it says of itself does not count.
        ("", XFF, "10.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "10.0.0.1"),
        (PROXIES, XFF, "198.51.100.9", [("X-Forwarded-For", "203.0.113.7")], "198.51.100.9"),
        # A proxy's own entry is the last one; those before it are the caller's word, unless a proxy of ours wrote them.
        (PROXIES, XFF, "10.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "203.0.113.7"),
        (PROXIES, XFF, "10.0.0.1", [("X-Forwarded-For", "1.1.1.1, 203.0.113.7")], "203.0.113.7"),
        (PROXIES, XFF, "10.0.0.1", [("X-Forwarded-For", "203.0.113.7, 10.2.3.4")], "203.0.113.7"),
        (PROXIES, XFF, "10.0.0.1", [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")], "2.2.2.2"),
        (PROXIES, XFF, "10.0.0.1", [("X-Forwarded-For", "203.0.113.7:4711")], "203.0.113.7"),
        (PROXIES, XFF, "::ffff:10.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "203.0.113.7"),
        # Only ours, nothing, or nonsense: the nearest that can be believed.
        (PROXIES, XFF, "10.0.0.1", [("X-Forwarded-For", "10.2.3.4")], "10.2.3.4"),
        (PROXIES, XFF, "10.0.0.1", [], "10.0.0.1"),
        (PROXIES, XFF, "10.0.0.1", [("X-Forwarded-For", "nonsense")], "10.0.0.1"),
        (PROXIES, XFF, "10.0.0.1", [("X-Forwarded-For", "203.0.113.7, nonsense, 10.1.1.1")], "10.1.1.1"),
        # The header that was not chosen passes through proxies as its caller wrote it.
        (PROXIES, XFF, "10.0.0.1", [("Forwarded", "for=203.0.113.7")], "10.0.0.1"),
        (PROXIES, RFC, "10.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "10.0.0.1"),
        (PROXIES, RFC, "10.0.0.1", [("Forwarded", "for=1.1.1.1, for=203.0.113.7;proto=https")], "203.0.113.7"),
        (PROXIES, RFC, "10.0.0.1", [("Forwarded", 'proto=http; For="203.0.113.7:80"')], "203.0.113.7"),
        (PROXIES, RFC, "10.0.0.1", [("Forwarded", "for=_hidden")], "10.0.0.1"),
        # The owner of an IPv6 network has all of its addresses.
        ("", XFF, "2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        (PROXIES, RFC, "fd00::1", [("Forwarded", 'for="[2001:db8::1]:4711"')], "2001:db8::/64"),
        ("", XFF, None, [], "unknown"),
    ],
)
def test_addresses(trusted: str, header: ProxyHeader, peer: str | None, headers: Any, address: str) -> None:
    """Each entry is believed only on the word of a trusted one behind it."""
    assert address == Origins(parse_networks(trusted), header).address_of(scope(peer, *headers))


@pytest.mark.parametrize(
    ("header", "peer", "scheme", "headers", "secure"),
    [
        (XFF, "198.51.100.9", "https", [], True),
        (XFF, "198.51.100.9", "http", [("X-Forwarded-Proto", "https")], False),
        (XFF, "10.0.0.1", "http", [("X-Forwarded-Proto", "https")], True),
        (XFF, "10.0.0.1", "http", [("X-Forwarded-Proto", "http, HTTPS")], True),
        (XFF, "10.0.0.1", "http", [("X-Forwarded-Proto", "https, http")], False),
        (XFF, "10.0.0.1", "http", [], False),
        (XFF, None, "http", [("X-Forwarded-Proto", "https")], False),
        (RFC, "10.0.0.1", "http", [("Forwarded", "for=203.0.113.7;proto=https")], True),
        (RFC, "10.0.0.1", "http", [("X-Forwarded-Proto", "https")], False),
    ],
)
def test_whether_a_caller_came_by_tls(header: ProxyHeader, peer: str, scheme: str, headers: Any, secure: bool) -> None:
    """By its connection to us, or on the word of a trusted proxy."""
    origins = Origins(parse_networks(PROXIES), header)
    assert secure is origins.is_secure(scope(peer, *headers, scheme=scheme))


@pytest.mark.parametrize("text", ["nonsense", "10.0.0.0/33", "10.0.0.1 10.0.0.2"])
def test_what_is_no_network(text: str) -> None:
    """A slip in the list is told at the start, and never means that everybody is trusted."""
    with pytest.raises(ValueError, match="does not appear to be"):
        parse_networks(text)
