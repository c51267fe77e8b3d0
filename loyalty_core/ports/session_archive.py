from datetime import datetime
from typing import Protocol

import msgspec


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch moved, all of it committed."""

    seen: int
    """Sessions that were looked at; below the limit where nothing is left beyond them."""
    sessions: int
    """Sessions moved. The others of those seen are being worked on, or held back."""
    events: int = 0
    """Lines of their timelines."""
    returns: int = 0
    held_back: int = 0
    """Sessions that stay live because their month has been taken out of the archive."""
    last: datetime | None = None
    """When the last session seen was closed: where to go on. None where none was seen."""


class SessionArchive(Protocol):
    """Where sessions go that ended long ago. Nobody can tell the difference: every read of a session, by its id or by
    its key, finds it as before, and a change of an archived session brings it back first.

    Every method may raise `StorageUnavailable` and `Overloaded`.
    """

    async def due(self, before: datetime) -> int:
        """How many sessions could be moved: in a terminal state since before `before`, and nothing owed."""
        ...

    async def move(self, before: datetime, limit: int, after: datetime | None = None) -> Archived:
        """Move up to `limit` of them, the longest closed first, from those closed at `after` on.

        Each goes as a whole, with its quote, its returns and its timeline, at one moment, and up to a thousand of them
        at the same one. A key that a session holds stays held; a session that holds none leaves its key free. Sessions
        that others are at work on are passed over, never waited for. `after` is the `last` of the batch before; it
        saves looking at what was moved already, and leaves nothing out but what was passed over.

        Raises:
            StorageUnavailable: some of the batch may not have been moved; what was not is found by the next one.
        """
        ...
