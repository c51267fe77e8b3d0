import asyncio
import json
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, NoReturn

import click

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.job_ledger import PostgresJobLedger
from loyalty_core.ports.job_ledger import JobName, JobRun, RunStatus, Tick
from loyalty_core.ports.observer import RunEnding
from loyalty_core.use_cases.run_job import Portion
from loyalty_web.cli.instants import Instant
from loyalty_web.cli.job_bench import JobBench, job_bench, runner_by_hand
from loyalty_web.cli.job_progress import shown
from loyalty_web.cli.job_views import JobView, described, print_jobs, told
from loyalty_web.cli.plainly import plainly
from loyalty_web.cli.storage import with_connections
from loyalty_web.job_settings import JobSettings
from loyalty_web.settings import read_section

_FAILED: Final = 1
_BUSY: Final = 3
_AHEAD: Final = {JobName.RECONCILE: timedelta(days=1)}
"""How far ahead a job may be told it is: only comparing loses nothing by it, and today is compared as of tomorrow."""
_NAME: Final = click.Choice([name.value for name in JobName])


@click.group()
def jobs() -> None:
    """See how the scheduled jobs are doing; run one now."""


@jobs.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON array.")
def list_(as_json: bool) -> None:
    """List the jobs: their schedules, what the last run of each came to, and whether somebody has to look after it.

    Health is ok, running, failing (the last attempt ended with an error), overdue (no worker has taken up what is
    due) or off. The schedules are those of this command's own environment.
    """
    with plainly():
        settings = read_section(JobSettings)

        async def look(connections: Connections) -> list[JobView]:
            ledger = PostgresJobLedger(connections)
            return [await _view(ledger, settings, name) for name in JobName]

        views = with_connections(look)
    if as_json:
        click.echo(json.dumps([described(view) for view in views]))
    else:
        print_jobs(views)


async def _view(ledger: PostgresJobLedger, settings: JobSettings, name: JobName) -> JobView:
    standing, schedule = await ledger.standing(name), settings.schedule(name)
    tick = None if schedule is None else schedule.last(standing.now)
    due = None if tick is None else await ledger.find(name, tick)
    return JobView(name, settings.expression(name), schedule, standing, due)


class _Wish(NamedTuple):
    """What somebody wants of a job."""

    name: JobName
    moment: datetime | None
    portion: Portion


@jobs.command()
@click.argument("name", type=_NAME, metavar="NAME")
@click.option(
    "--now",
    "moment",
    type=Instant(),
    help="Run it as at that moment, e.g. 2026-11-23T02:00:00Z. Not in the future; reconcile: a day ahead at most.",
)
@click.option("--dry-run", is_flag=True, help="Only count what there is to do.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many sessions, or answers.")
@click.option("--batch", type=click.IntRange(1, 10_000), help="So many at a time; without it, as set for the workers.")
def run(name: str, moment: datetime | None, dry_run: bool, limit: int | None, batch: int | None) -> None:
    """Run the job NAME now: expire-sessions, archive-finalized, clear-cache or reconcile.

    A moment has one run: asked for a second time, nothing is done again. What a dead worker has left unfinished of the
    job is finished first. Ends with 0 where it is done, 1 where it failed or was stopped, 2 where the command or the
    environment is wrong, 3 where somebody else is running the job.
    """
    with plainly():
        settings, job = read_section(JobSettings), JobName(name)
        wish = _Wish(job, moment, Portion(batch=batch or settings.batch(job), most=limit))
        try:
            sys.exit(asyncio.run(_count(wish, settings) if dry_run else _run(wish, settings)))
        except KeyboardInterrupt:
            click.echo(f"{name}: stopped; what was done so far stays done.", err=True)
            sys.exit(_FAILED)


async def _count(wish: _Wish, settings: JobSettings) -> int:
    async with job_bench(wish.name, settings) as bench:
        due = await bench.job.due(await _moment(wish, bench))
    click.echo(f"{wish.name.value}: {due:,} to do.")
    return 0


async def _run(wish: _Wish, settings: JobSettings) -> int:
    asked = asyncio.Event()
    if threading.current_thread() is threading.main_thread():  # signals are its affair alone
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    async with job_bench(wish.name, settings) as bench:
        moment = await _moment(wish, bench)
        hand = _Hand(bench, settings.policy().lease, asked)
        await hand.finish_what_was_left(wish)
        return await hand.run(wish, moment)


async def _moment(wish: _Wish, bench: JobBench) -> datetime:
    """The moment of the run, by the database's clock unless it was named."""
    now = (await bench.ledger.standing(wish.name)).now
    if wish.moment is not None and wish.moment > now + _AHEAD.get(wish.name, timedelta()):
        raise click.BadParameter(f"lies in the future; the database has {_shown(now)}.", param_hint="--now")
    return wish.moment or now


class _Hand:
    """Somebody who runs a job by hand."""

    def __init__(self, bench: JobBench, lease: timedelta, asked: asyncio.Event) -> None:
        """`asked` is set where it is to stop."""
        self._bench = bench
        self._lease = lease
        self._asked = asked
        self._name = runner_by_hand()

    async def finish_what_was_left(self, wish: _Wish) -> None:
        """What another runner has begun and not ended; ends the command where it can't be had, or fails."""
        left = (await self._bench.ledger.standing(wish.name)).open
        if left is None:
            return
        due = await self._bench.job.due(left.tick)
        taken = await self._bench.ledger.take_over(left, self._name, self._lease)
        if taken is None:
            _busy(left)
        click.echo(f"{wish.name.value}: first what {left.runner} has left unfinished of {_shown(left.tick)}.", err=True)
        code = await self._do(taken, Portion(batch=wish.portion.batch), due)
        if code:
            sys.exit(code)

    async def run(self, wish: _Wish, moment: datetime) -> int:
        """A run of its own; the command's exit code."""
        # Counted before: from the beginning of the run on whoever stops it is to find it recorded.
        due = await self._bench.job.due(moment)
        tick = Tick(job=wish.name, at=moment, scheduled=False)
        begun = await self._bench.ledger.begin(tick, self._name, self._lease)
        if begun is None:
            return await self._said_why_not(wish, moment)
        return await self._do(begun, wish.portion, due if wish.portion.most is None else min(due, wish.portion.most))

    async def _do(self, begun: JobRun, portion: Portion, total: int) -> int:
        with shown(begun.job.value, total) as progress:
            ended, ending = await self._bench.run(
                self._bench.job, begun, portion, should_stop=self._asked.is_set, on_batch=progress
            )
        return _told(ended, ending)

    async def _said_why_not(self, wish: _Wish, moment: datetime) -> int:
        """Why a run could not begin: that moment has had its run, or somebody was a little faster."""
        had = await self._bench.ledger.find(wish.name, moment)
        if had is None or had.finished_at is None:
            holder = had or (await self._bench.ledger.standing(wish.name)).open
            if holder is None:
                raise click.ClickException(f"{wish.name.value} was being run by somebody until just now; try again.")
            _busy(holder)
        words = f"{wish.name.value}: {_shown(moment)} has had its run, {had.status.value} at {_shown(had.finished_at)}"
        click.echo(f"{words} by {had.runner}. Without --now it is run as of now.")
        return _FAILED if had.status is RunStatus.FAILED else 0


def _told(run: JobRun, ending: RunEnding) -> int:
    name = run.job.value
    if ending is RunEnding.DONE and run.finished_at is not None:
        seconds = (run.finished_at - run.started_at).total_seconds()
        click.echo(f"{name}: done in {seconds:.1f} s: {told(run.counts)}.")
        return 0
    why = {
        RunEnding.PUT_OFF: f"put off: {run.error}",
        RunEnding.PUT_BACK: "put back, for a worker to go on with",
        RunEnding.LOST: "no longer ours: the database was away for longer than the lease, or others went on with it",
    }.get(ending, f"failed: {run.error}")
    click.echo(f"{name}: {why}. So far: {told(run.counts)}.", err=True)
    return _FAILED


def _busy(run: JobRun) -> NoReturn:
    until = "" if run.free_at is None else f"; free at {_shown(run.free_at)} unless that goes on"
    held = "is being run by" if run.status is RunStatus.RUNNING else f"waits ({run.error or 'put back'}), last run by"
    click.echo(f"{run.job.value} {held} {run.runner}, for {_shown(run.tick)}{until}.", err=True)
    sys.exit(_BUSY)


def _shown(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
