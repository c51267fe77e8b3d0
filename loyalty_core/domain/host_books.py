"""The host's books, as far as it shows them: what it has booked for one of its sessions."""

from enum import StrEnum

import msgspec


class CommitKind(StrEnum):
    """What a commit in the host's ledger did."""

    ACCRUAL = "accrual"
    REDEMPTION = "redemption"
    REVERSAL = "reversal"
    RESTORATION = "restoration"


class HostCommit(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the host's ledger for a session. `points` is signed as the host gives it."""

    key: str
    kind: CommitKind
    points: int


class HostSessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the host says of its session. A commit that is absent from it may still be under way."""

    status: str
    earned_points: int
    commits: tuple[HostCommit, ...]
