"""The host's books, as far as it shows them: what it has booked for one of its sessions."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

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


OF_A_SALE: Final = (CommitKind.ACCRUAL, CommitKind.REDEMPTION)
OF_A_RETURN: Final = (CommitKind.REVERSAL, CommitKind.RESTORATION)


def of_kind(commits: Iterable[HostCommit], *kinds: CommitKind) -> tuple[HostCommit, ...]:
    """Those of some kinds."""
    return tuple(commit for commit in commits if commit.kind in kinds)


def signless(commits: Iterable[HostCommit]) -> tuple[HostCommit, ...]:
    """The same without signs: hosts differ in that of what is taken away, and the kind says it already."""
    return tuple(msgspec.structs.replace(commit, points=abs(commit.points)) for commit in commits)
