"""What a session can owe the host, in general.

An errand says what is sent, how the host's word changes the session, and which answer goes on record. It does not say
when: the order of intent, commit, call and outcome is `Settlement`'s, and the same for all of them.
"""

from datetime import datetime
from typing import Generic, Protocol, TypeVar

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import intent_key
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.loyalty_host import CommitKind, HostCommit, HostSessionReport, LoyaltyHost
from loyalty_core.ports.unit_of_work import Call, StoredAnswer

ReceiptT = TypeVar("ReceiptT")


class FinalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of record that can never change any more, and the payload it answers."""

    call: Call
    item: str = ""
    fingerprint: str
    body: bytes


class Errand(Protocol, Generic[ReceiptT]):
    """One thing a session owes the host. Methods that change it return the new session, as its transitions do."""

    accepted: Cause
    rejected: Cause

    def delivery(self, session: Session) -> Delivery | None:
        """Its delivery, or None where it is no longer owed."""
        ...

    def attempt(self, session: Session, delivery: Delivery) -> Session:
        """Its delivery has changed."""
        ...

    def ready(self, session: Session) -> Session:
        """Freeze what is sent. Called before each send; only the first can change anything."""
        ...

    async def send(self, host: LoyaltyHost, session: Session, *, within: float) -> ReceiptT:
        """Send it, under its key; raises as the host's calls do."""
        ...

    def found(self, session: Session, report: HostSessionReport) -> ReceiptT | None:
        """What the host has booked of earlier sends, by its own report.

        Raises:
            HostSilence: it reports figures that cannot be; they prove nothing.
        """
        ...

    def complete(self, session: Session, receipt: ReceiptT, now: datetime) -> Session:
        """The host has booked it."""
        ...

    def promise(self, session: Session, delivery: Delivery, now: datetime) -> Session:
        """A POS is answered that it settles later."""
        ...

    def take_back(self, session: Session, now: datetime) -> Session:
        """As if it had never been."""
        ...

    def fail(self, session: Session, reason: str, now: datetime) -> Session:
        """It ends with a definite no."""
        ...

    def spends_points(self, session: Session) -> bool:
        """Whether it must not be queued unsent, because only the host can say that the points are there."""
        ...

    def answer(self, before: Session, after: Session) -> StoredAnswer | None:
        """The answer of record that a change gives to its call, or None where it gives none."""
        ...

    def final_answer(self, session: Session) -> FinalAnswer:
        """The answer of what the host has booked, which can never change any more.

        It has been booked; `ValueError` otherwise, which is a bug of the caller.
        """
        ...

    def booked_otherwise(self, session: Session, receipt: ReceiptT) -> bool:
        """Whether the host booked other points than were intended."""
        ...


def idempotency_key(session: Session, delivery: Delivery) -> str:
    """The key of an intent: the session and the intent's number, the same for each of its sends."""
    return intent_key(session.id, delivery.number)


def booked_for(session: Session, delivery: Delivery | None, report: HostSessionReport) -> list[HostCommit]:
    """What the host has booked under the intent's key, by its own report."""
    if delivery is None:
        return []
    key = idempotency_key(session, delivery)
    return [commit for commit in report.commits if commit.key == key]


def points_of(commits: list[HostCommit], kind: CommitKind) -> int:
    """The points that the commits of a kind have moved together, signed as the host gives them."""
    return sum(commit.points for commit in commits if commit.kind is kind)
