from collections import OrderedDict
from typing import Final

from loyalty_core.domain.identifiers import SessionId

_KEPT: Final = 20_000


class RowAddresses:
    """Where in its table a session's row lay when this process last read or wrote it: a hint, never trusted.

    A statement that uses one also names the session and its version, and looks again without it where they do not
    match.
    """

    def __init__(self) -> None:
        self._addresses: OrderedDict[SessionId, tuple[int, str]] = OrderedDict()

    def of(self, session: SessionId, version: int) -> str | None:
        """The address of that version, where it is known."""
        known = self._addresses.get(session)
        return known[1] if known is not None and known[0] == version else None

    def note(self, session: SessionId, version: int, address: str) -> None:
        """Remember an address; the one that was noted longest ago makes room."""
        self._addresses[session] = version, address
        self._addresses.move_to_end(session)
        if len(self._addresses) > _KEPT:
            self._addresses.popitem(last=False)
