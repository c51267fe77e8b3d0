"""Stored sales calculated once more under two programs, by all processors there are, in bounded memory."""

import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from multiprocessing import get_context
from typing import Final, NamedTuple
from uuid import UUID

import click

from loyalty_adapters.postgres.settled_sales import StoredSale, read_sale
from loyalty_core.domain.program import RewardProgram, program_from_json, program_to_json
from loyalty_web.authoring.comparison import Comparer, Comparison

_AHEAD: Final = 2
"""Pages that wait or are worked on, for each process: enough that none idles, few enough that memory stays flat."""

Progress = Callable[[int, UUID], None]
"""Told of each page how many sales it had and the id of its last."""


class _Job(NamedTuple):
    """What a process needs to know, once."""

    old: bytes
    new: bytes
    since: datetime | None
    until: datetime | None


class _Replayer:
    """One process's part of the work."""

    def __init__(self, job: _Job) -> None:
        old, new = program_from_json(job.old), program_from_json(job.new)
        self._old_hash = old.content_hash
        self._comparer = Comparer(old, new)
        self._since = job.since
        self._until = job.until

    def replay(self, page: Iterable[StoredSale]) -> Comparison:
        """What both programs give for the sales of a page that were made in time."""
        compared = Comparison()
        for stored in page:
            sale = read_sale(stored)
            if (self._since and sale.at < self._since) or (self._until and sale.at >= self._until):
                continue
            if not sale.rewarded:
                compared.unrewarded += 1
                continue
            if self._comparer.compare(compared, sale.session, sale.basket, sale.tier, sale.at):
                compared.returned += sale.returned
                compared.quoted_by_old += sale.program_hash == self._old_hash
        return compared


def replay(
    pages: Iterable[list[StoredSale]], old: RewardProgram, new: RewardProgram, *,
    since: datetime | None = None, until: datetime | None = None,
    progress: Progress = lambda _, __: None, processes: int | None = None,
) -> Comparison:  # fmt: skip
    """What `old` and `new` give for the sales in `pages` that were made from `since` until `until`."""
    job = _Job(program_to_json(old), program_to_json(new), since, until)
    count = processes or len(os.sched_getaffinity(0))
    whole = Comparison()
    under_way: dict[Future[Comparison], tuple[int, UUID]] = {}

    def collect(done: Iterable[Future[Comparison]]) -> None:
        for page in done:
            whole.add(page.result())
            progress(*under_way.pop(page))

    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin, initargs=(job,))
    try:
        for page in pages:
            while len(under_way) >= count * _AHEAD:
                collect(wait(under_way, return_when=FIRST_COMPLETED).done)
            under_way[pool.submit(_replay, page)] = len(page), page[-1].id
        while under_way:
            collect(wait(under_way, return_when=FIRST_COMPLETED).done)
    except BrokenProcessPool:
        raise click.ClickException("A process of the replay was ended from outside; is there enough memory?") from None
    finally:
        pool.shutdown(cancel_futures=True)
    return whole


_replayer: _Replayer


def _begin(job: _Job) -> None:
    """In each process, once. Ctrl-C is for the one that prints."""
    global _replayer  # noqa: PLW0603 - how a pool's processes know what they were started for
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _replayer = _Replayer(job)


def _replay(page: list[StoredSale]) -> Comparison:
    return _replayer.replay(page)
