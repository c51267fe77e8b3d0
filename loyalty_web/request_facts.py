"""What becomes known of a request on its way, for the one line that is logged of it."""

from collections.abc import MutableMapping
from typing import Any, Final, Protocol, Self, TypeAlias

from litestar.types import Scope

Fact: TypeAlias = str | int | float | bool | None
_KEY: Final = "loyalty_facts"


class Work(Protocol):
    """The work that is done for one request, as traces and logs know it."""

    @property
    def trace_id(self) -> str:
        """The trace it belongs to: 32 hexadecimal digits."""
        ...

    @property
    def facts(self) -> MutableMapping[str, Fact]:
        """Fields for its log line, from whoever learns them, on whatever task."""
        ...


class Traces(Protocol):
    """Where a request's work joins the caller's trace."""

    def begin(self, traceparent: str | None) -> Work:
        """Begin to work for a request, in the caller's trace where `traceparent` is well-formed."""
        ...

    def answered(self, work: Any, method: str, route: str, status: int) -> None:
        """The request that `work` was begun for is over. `route` is a template."""
        ...


class Meter(Protocol):
    """Where requests are counted."""

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request is over. `route` is a template."""
        ...


class RequestFacts:
    """The trace that a request belongs to, and what to log of it. No secret and no name of a person is ever noted."""

    def __init__(self, work: Work) -> None:
        self.trace_id = work.trace_id
        self.fields = work.facts
        self.headers: list[tuple[bytes, bytes]] = []
        """For the answer, whatever becomes of the call."""
        self.is_logged = True
        """Whether the call gets a line of its own in the log; not where it was turned away, one of many."""

    def note(self, **fields: Fact) -> None:
        """Remember for the log line; names are those of the line's fields."""
        self.fields.update(fields)

    def attach(self, scope: Scope) -> None:
        """Make these the facts of `scope`."""
        scope.setdefault("state", {})[_KEY] = self

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """The facts of the request that is being worked on."""
        facts: Self = scope["state"][_KEY]
        return facts
