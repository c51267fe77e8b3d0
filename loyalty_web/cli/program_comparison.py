"""`loyalty program compare`: from the stored sales to the page, the data or the picture."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loyalty_adapters.postgres.settled_sales import SettledSales, settled_sales
from loyalty_core.domain.program import RewardProgram
from loyalty_web.authoring.chart import chart
from loyalty_web.authoring.comparison import Comparison
from loyalty_web.authoring.comparison_page import comparison_document, comparison_page
from loyalty_web.authoring.page import page
from loyalty_web.cli.replay import replay
from loyalty_web.settings import read_section
from loyalty_web.storage_settings import DatabaseSettings

_TIME: Final = 80
"""Bits of an id below its milliseconds."""


def run(
    old: RewardProgram, new: RewardProgram, since: datetime | None, until: datetime | None, *,
    as_json: bool, picture: Path | None,
) -> None:  # fmt: skip
    """Compare, and print or write what was asked for.

    Raises:
        SettingsError, StorageUnavailable: there is no database to read.
    """
    url = read_section(DatabaseSettings).url
    with settled_sales(url, since, until) as sales, _shown(sales) as progress:
        compared = replay(sales.pages(), old, new, since=since, until=until, progress=progress)
    if picture is not None:
        _draw(picture, old, new, compared)
    if as_json:
        click.echo(msgspec.json.encode(comparison_document(old, new, compared)))
        return
    paper = page()
    for part in comparison_page(old, new, compared):
        paper.print(part)


def _draw(picture: Path, old: RewardProgram, new: RewardProgram, compared: Comparison) -> None:
    try:
        picture.write_text(chart(old, new, compared.days), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{picture} cannot be written: {error.strerror}.") from None


@contextmanager
def _shown(sales: SettledSales) -> Iterator[Callable[[int, UUID], None]]:
    """A bar on a terminal. Ids begin with the time, so the way through them is the way through the sales."""
    console = Console(stderr=True)
    ends = sales.ends() if console.is_terminal else None
    if ends is None:
        yield lambda _, __: None
        return
    first, last = (_milliseconds(end) for end in ends)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[sales]:,} sales"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Calculating", total=max(last - first, 1), sales=0)
        seen, furthest = 0, first

        def advance(count: int, reached: UUID) -> None:
            nonlocal seen, furthest
            seen += count
            furthest = max(furthest, _milliseconds(reached))  # pages are done in any order
            day = datetime.fromtimestamp(furthest / 1000, UTC)
            progress.update(task, completed=furthest - first, sales=seen, description=f"Sales of {day:%Y-%m-%d}")

        yield advance


def _milliseconds(session: UUID) -> int:
    return session.int >> _TIME
