from datetime import datetime, timedelta
from typing import Final

from loyalty_core.ports.answer_records import AnswerRecords
from loyalty_core.use_cases.jobs import Batch, JobName

KEPT: Final = timedelta(minutes=10)
"""How long an answer is kept as it was sent; repeats come within seconds, and later ones are rebuilt."""


class ClearAnswers:
    """The job that drops answers of record that nobody is likely to ask for again.

    A repeated call whose answer was dropped still gets the same bytes: they are rebuilt from the session.
    """

    name = JobName.CLEAR_CACHE

    def __init__(self, records: AnswerRecords) -> None:
        self._records = records

    async def due(self, now: datetime) -> int:
        """See `Job.due`: answers."""
        return await self._records.count_answers(now - KEPT)

    async def __call__(self, now: datetime, limit: int) -> Batch:
        """See `Job.__call__`."""
        cleared = await self._records.clear_answers(now - KEPT, limit)
        return Batch(counts={"cleared": cleared}, taken=cleared, done=cleared < limit)
