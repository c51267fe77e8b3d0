"""Where a call comes from: its peer, or what a trusted proxy says it has passed on."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from litestar.types import Scope

Network: TypeAlias = IPv4Network | IPv6Network

UNKNOWN: Final = "unknown"
_SITE: Final = 64
"""Bits of an IPv6 address that are one household's or one shop's; the rest its owner changes at will."""
_HTTPS: Final = "https"
_PAIR: Final = re.compile(
    r'\s*(?P<name>[a-z]+)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<token>[^";,\s]*))\s*(?:;|$)', re.IGNORECASE
)
_WITH_PORT: Final = re.compile(r"\[(?P<six>[^\]]+)\](?::\d+)?|(?P<four>\d+\.\d+\.\d+\.\d+):\d+")


class ProxyHeader(StrEnum):
    """The header by which trusted proxies say whose call they pass on. Any other is the caller's own invention."""

    X_FORWARDED_FOR = "x-forwarded-for"
    FORWARDED = "forwarded"


def parse_networks(text: str) -> tuple[Network, ...]:
    """The networks that are listed, by comma: addresses, or ranges such as 10.0.0.0/8.

    Raises:
        ValueError: one of them is neither.
    """
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


class Origins:
    """Says where calls come from. A header counts only where the peer that sent it is a trusted proxy."""

    def __init__(self, trusted: Sequence[Network] = (), header: ProxyHeader = ProxyHeader.X_FORWARDED_FOR) -> None:
        self._trusted = tuple(trusted)
        self._header = header
        self._header_name = header.value.encode()

    def address_of(self, scope: Scope) -> str:
        """The caller's address, as far as anybody trusted vouches for it; of IPv6 the network that is one owner's.

        Each proxy adds whom it was called by at the end, so what is listed is believed from the end, up to the first
        that is none of ours.
        """
        peer = scope.get("client")
        address = peer[0] if peer else ""
        if self._trusts(address):
            for hop in reversed(list(self._hops(scope))):
                if _parsed(hop) is None:  # hidden, or nonsense: whoever added it says no more than itself
                    break
                address = hop
                if not self._trusts(address):
                    break
        return _counted_as(address)

    def is_secure(self, scope: Scope) -> bool:
        """Whether the caller speaks TLS, to us or to a trusted proxy."""
        if scope["scheme"] == _HTTPS:
            return True
        if not self._trusted:
            return False
        peer = scope.get("client")
        if peer is None or not self._trusts(peer[0]):
            return False
        if self._header is ProxyHeader.FORWARDED:
            said = [value for element in self._elements(scope) if (value := _of_element(element, "proto")) is not None]
        else:
            said = _values(scope, b"x-forwarded-proto")
        return bool(said) and said[-1].lower() == _HTTPS

    def _hops(self, scope: Scope) -> Iterable[str]:
        if self._header is ProxyHeader.FORWARDED:
            return [_without_port(_of_element(element, "for") or "") for element in self._elements(scope)]
        return [_without_port(value) for value in _values(scope, self._header_name)]

    def _elements(self, scope: Scope) -> list[str]:
        return _values(scope, self._header_name)

    def _trusts(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _values(scope: Scope, name: bytes) -> list[str]:
    """What a header lists, over all its lines, in order."""
    lines = [value.decode("latin-1") for found, value in scope["headers"] if found == name]
    return [part.strip() for line in lines for part in line.split(",")]


def _of_element(element: str, name: str) -> str | None:
    for pair in _PAIR.finditer(element):
        if pair["name"].lower() == name:
            return pair["token"] if pair["quoted"] is None else pair["quoted"]
    return None


def _without_port(text: str) -> str:
    found = _WITH_PORT.fullmatch(text)
    return text if found is None else found["six"] or found["four"]


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address that is written so; one of IPv4 in the words of IPv6 is one of IPv4."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _counted_as(address: str) -> str:
    parsed = _parsed(address)
    if parsed is None:
        return UNKNOWN
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), _SITE), strict=False))
    return str(parsed)
