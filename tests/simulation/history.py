from collections.abc import Callable
from typing import Any, Final

from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.use_cases.answers import Answer


class Violation(AssertionError):
    """The service broke a promise."""


class Call:
    """One call of a POS, as the POS sees it."""

    def __init__(self, number: int, kind: str, command: Any, process: str, started: float) -> None:
        self.number: Final = number
        self.kind: Final = kind
        self.command: Final = command
        self.process: Final = process
        self.started: Final = started
        self.ended: float | None = None
        self.flight: int | None = None
        self.answer: Answer | None = None
        self.body: bytes | None = None
        self.error: LoyaltyError | None = None
        self.stalled = False
        """Whether the process that answered had stalled meanwhile."""

    @property
    def code(self) -> str | None:
        """The error's code."""
        return None if self.error is None else self.error.code

    @property
    def unanswered(self) -> bool:
        """Whether the POS got no answer at all."""
        return self.answer is None and self.error is None

    def __str__(self) -> str:
        return f"call {self.number} {self.kind}"


class History:
    """What happened, in order; written down only where somebody is going to read it."""

    def __init__(self, clock: Callable[[], float], *, keep: bool) -> None:
        self.calls: Final[list[Call]] = []
        self.lines: Final[list[str]] = []
        self._clock = clock
        self._keep = keep

    def note(self, who: str, text: str, *arguments: object) -> None:
        """One line of the trace; `text` is formatted with `%` only if the trace is kept."""
        if self._keep:
            self.lines.append(f"{self._clock():10.3f}  {who:<10} {text % arguments}")
