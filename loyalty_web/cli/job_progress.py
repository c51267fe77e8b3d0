"""How far a run by hand has got: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from loyalty_core.use_cases.jobs import Batch

_SILENCE: Final = 5.0
"""Seconds between two lines."""


@contextmanager
def shown(name: str, total: int) -> Iterator[Callable[[Batch], None]]:
    """What to tell of each batch. What is shown goes to standard error: the result alone is on standard output."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(name, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=total)

        def advance(batch: Batch) -> None:
            progress.advance(task, batch.taken)
            taken = progress.tasks[task].completed
            if taken > total:  # more came due than there was at the count
                progress.update(task, total=taken)

        yield advance


def _lines(name: str, total: int) -> Callable[[Batch], None]:
    taken, told = 0, time.monotonic()

    def advance(batch: Batch) -> None:
        nonlocal taken, told
        taken += batch.taken
        if time.monotonic() - told >= _SILENCE:
            told = time.monotonic()
            click.echo(f"{name}: {taken:,} of {max(total, taken):,}", err=True)

    return advance
