from datetime import datetime
from typing import Protocol


class AnswerRecords(Protocol):
    """The answers of record as they were sent. They spare work and decide nothing: the session rebuilds the same bytes.

    Either method may raise `StorageUnavailable` and `Overloaded`: nothing was done, or it was and need not be done
    again.
    """

    async def count_answers(self, before: datetime) -> int:
        """How many were given before then."""
        ...

    async def clear_answers(self, before: datetime, limit: int) -> int:
        """Drop up to `limit` of them, the oldest first; how many it were: fewer than `limit` where no more are left."""
        ...
