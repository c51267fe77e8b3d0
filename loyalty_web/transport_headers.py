"""Headers of every answer that speak of the connection and of how an answer may be kept, not of what is in it."""

from collections.abc import Callable
from typing import Final, TypeAlias

from litestar.types import Scope

from loyalty_web.origins import Origins

Headers: TypeAlias = list[tuple[bytes, bytes]]

ALWAYS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


class TransportHeaders:
    """Made for each answer as it is sent."""

    def __init__(self, origins: Origins, hsts_seconds: int, is_ending: Callable[[], bool]) -> None:
        """Who came by TLS is asked to for the next `hsts_seconds`. A process that is ending keeps no connection."""
        self._origins = origins
        self._hsts_seconds = hsts_seconds
        self._is_ending = is_ending

    def of(self, scope: Scope) -> Headers:
        """The headers of the answer to `scope`."""
        headers = [*ALWAYS]
        if self._hsts_seconds and self._origins.is_secure(scope):
            headers.append((b"strict-transport-security", b"max-age=%d" % self._hsts_seconds))
        if self._is_ending():
            headers.append((b"connection", b"close"))
        return headers
