from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Protocol

from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.ports.job_ledger import JobRun
from loyalty_core.ports.unit_of_work import Call, SessionChange


class RunEnding(StrEnum):
    """How one runner's part in a run of a job ended."""

    DONE = "done"
    FAILED = "failed"
    """With an error, and the run was given up."""
    PUT_OFF = "put_off"
    """With an error; the run is tried again after a pause."""
    PUT_BACK = "put_back"
    """The runner had to stop; others go on at once."""
    LOST = "lost"
    """The run is out of its hands: another has it, or will once the lease has ended."""


class Observer(Protocol):
    """Told of what happened, after it has; it never changes the outcome and never raises."""

    def trace_id(self) -> str | None:
        """The trace that the current work belongs to; written into timelines."""
        ...

    def origin(self) -> str | None:
        """The current work, in a form that can be kept with an intent and given to `delivering` much later."""
        ...

    def delivering(self, origin: str | None) -> AbstractContextManager[object]:
        """The block delivers what the work named by `origin` has promised. No caller waits for it."""
        ...

    def changed(self, change: SessionChange) -> None:
        """A transition was committed."""
        ...

    def replayed(self, call: Call, session: Session) -> None:
        """A repeated call was answered with the answer of record."""
        ...

    def quotes_disagreed(self, session: Session, quote: SessionQuote) -> None:
        """The host's figure differs from ours."""
        ...

    def booked_otherwise(self, session: Session) -> None:
        """The host booked other points than were intended; its figure stands, both are kept."""
        ...

    def outcome_not_recorded(self, session: Session) -> None:
        """The host was asked, and what came of it could not be written; a worker will find out."""
        ...

    def running(self, run: JobRun) -> AbstractContextManager[object]:
        """The block is one runner's part in a run of a job. No caller waits for it."""
        ...

    def run_ended(self, run: JobRun, ending: RunEnding, seconds: float) -> None:
        """That part has ended, after so many seconds; `run` as it is now."""
        ...

    def difference_found(self, session: SessionId, kind: DifferenceKind) -> None:
        """Reconciliation has found something on which the host's books and ours disagree, and has recorded it."""
        ...


class NullObserver:
    """An observer that does not look."""

    def trace_id(self) -> str | None:
        """None."""
        return None

    def origin(self) -> str | None:
        """None."""
        return None

    def delivering(self, origin: str | None) -> AbstractContextManager[object]:  # noqa: ARG002 - does not look
        """Nothing around the block."""
        return nullcontext()

    def changed(self, change: SessionChange) -> None:
        """Nothing."""

    def replayed(self, call: Call, session: Session) -> None:
        """Nothing."""

    def quotes_disagreed(self, session: Session, quote: SessionQuote) -> None:
        """Nothing."""

    def booked_otherwise(self, session: Session) -> None:
        """Nothing."""

    def outcome_not_recorded(self, session: Session) -> None:
        """Nothing."""

    def difference_found(self, session: SessionId, kind: DifferenceKind) -> None:
        """Nothing."""

    def running(self, run: JobRun) -> AbstractContextManager[object]:  # noqa: ARG002 - does not look
        """Nothing around the block."""
        return nullcontext()

    def run_ended(self, run: JobRun, ending: RunEnding, seconds: float) -> None:
        """Nothing."""
