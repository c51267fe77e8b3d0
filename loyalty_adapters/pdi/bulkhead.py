from types import TracebackType


class BulkheadFull(Exception):
    """As many calls as may be are under way."""


class Bulkhead:
    """A bound on calls under way at once. Nobody waits for a place: a queue here would only grow while PDI is slow."""

    __slots__ = ("_limit", "in_flight")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.in_flight = 0

    def __enter__(self) -> None:
        if self.in_flight >= self._limit:
            raise BulkheadFull
        self.in_flight += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.in_flight -= 1
