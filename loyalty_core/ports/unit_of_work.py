"""A unit of work is a value: everything one decision writes, committed whole or not at all.

It is built in memory and handed to the store in one call, so no transaction can ever be open while a use case waits
for the loyalty host: there is nothing to hold open.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from loyalty_core.domain.identifiers import CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause, Session


class Call(StrEnum):
    """The calls whose answers are kept for replays."""

    IDENTIFY = "identify"
    FINALIZE = "finalize"
    RETURN = "return"


class Lane(StrEnum):
    """Which connections a commit may use."""

    INTAKE = "intake"
    """New work. May be turned away when storage is saturated."""
    OUTCOME = "outcome"
    """What the host has already been asked; never queues behind intake."""


class SessionChange(msgspec.Struct, frozen=True, kw_only=True):
    """One transition: the session it was made from (None where it is new), the session it became, and why."""

    before: Session | None
    after: Session
    cause: Cause
    detail: str | None = None
    """One short line for the timeline: the host's reason, the operator's name; never personal data."""


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of record of one call on the unit's last session, byte for byte."""

    call: Call
    item: str = ""
    """Which one of the call's answers it is, where a session can have several: the return's id."""
    body: bytes


class CustomerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the host last told us of a customer; answers identify while the host cannot."""

    member: Member
    at: datetime

    @property
    def customer(self) -> CustomerId:
        """Whose snapshot it is."""
        return self.member.customer_id


class UnitOfWork(msgspec.Struct, frozen=True, kw_only=True):
    """What is written together. Every change appends one row to its session's timeline."""

    changes: tuple[SessionChange, ...]
    lane: Lane = Lane.INTAKE
    answer: StoredAnswer | None = None
    snapshot: CustomerSnapshot | None = None
    trace_id: str | None = None
