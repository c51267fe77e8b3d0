"""What a job is to whoever runs it: batch after batch at one `now`, until there is nothing left to do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from loyalty_core.ports.job_ledger import JobName

# A job is spoken of by its name wherever it is run, recorded or scheduled; here is where people look for it.
__all__ = ["Batch", "Job", "JobName"]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch did, committed by the time it is reported."""

    counts: Mapping[str, int]
    """How many of what: `{"expired": 500}`. The same names in every batch of a job; they are summed up."""
    taken: int
    """How far the run got with this batch, in the unit of `Job.due`."""
    done: bool
    """Whether nothing is left that this run could do."""


class Job(Protocol):
    """Work that is done on a schedule, in batches that each commit for themselves.

    A run that is killed between two batches, or within one, has lost nothing and done nothing twice: whoever runs the
    job next goes on from what is stored.
    """

    @property
    def name(self) -> JobName:
        """Which job it is."""
        ...

    async def due(self, now: datetime) -> int:
        """How much a run at `now` would take up: sessions, or answers. For a progress bar and for a dry run."""
        ...

    async def __call__(self, now: datetime, limit: int) -> Batch:
        """Do one batch of at most `limit`.

        Raises:
            StorageUnavailable: nothing of this batch was done.
        """
        ...
