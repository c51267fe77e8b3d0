import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from loyalty_core.domain.program_check import check_program
from loyalty_core.domain.program_mistakes import ProgramMistake
from loyalty_core.domain.program_toml import program_from_toml
from loyalty_web.authoring.page import page
from loyalty_web.authoring.program_page import program_page, summary
from loyalty_web.authoring.wording import counted
from loyalty_web.cli.named_programs import program_named, program_text
from loyalty_web.cli.plainly import plainly

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def program() -> None:
    """Check, show and compare reward programs.

    A program is a TOML file, `built-in`, or the name of an example that comes with the library.
    """


@program.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON array of the mistakes.")
def check(file: str, as_json: bool) -> None:
    """Name every mistake in a program, with its path in the file and what to change; exit code 1 where there is one."""
    text = program_text(file)
    mistakes = check_program(text)
    if as_json:
        click.echo(json.dumps([{"path": mistake.path, "message": mistake.message} for mistake in mistakes]))
    elif mistakes:
        click.echo("\n".join((f"{file} has {counted(len(mistakes), 'mistake')}:", *map(_told, mistakes))))
    else:
        click.echo(f"{file} is fine.\n  {summary(program_from_toml(text))}")
    if mistakes:
        raise SystemExit(1)


@program.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a program in words: tiers, exclusions, promotions and their conditions, caps, redemption, hash."""
    paper = page()
    for part in program_page(program_named(name)):
        paper.print(part)


@program.command()
@click.argument("old")
@click.argument("new")
@click.option(
    "--sessions", is_flag=True, required=True, help="Compare them on the sales in DATABASE_URL, archived ones too."
)
@click.option("--since", type=_DAY, metavar="DAY", help="Sales from this day on, in the new program's time zone.")
@click.option("--until", type=_DAY, metavar="DAY", help="Sales before this day.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.option(
    "--chart",
    "picture",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Draw points a day into this .svg file.",
)
def compare(
    old: str, new: str, sessions: bool, since: datetime | None, until: datetime | None, as_json: bool,
    picture: Path | None,
) -> None:  # fmt: skip
    """Calculate finalized sales once more under two programs, and say what NEW gives that OLD does not.

    Each sale's basket, tier and moment are those it was quoted by. The database is only read.
    """
    from loyalty_web.cli.program_comparison import run  # noqa: PLC0415 - the other commands need no database driver

    _ = sessions  # the only thing there is to compare them on, so far; named so that nobody replays unawares
    if picture is not None and picture.suffix != ".svg":
        raise click.BadParameter("write it to a file whose name ends in .svg", param_hint="--chart")
    before, after = program_named(old), program_named(new)
    zone = ZoneInfo(after.time_zone)
    bounds = [None if day is None else day.replace(tzinfo=zone) for day in (since, until)]
    with plainly():
        run(before, after, bounds[0], bounds[1], as_json=as_json, picture=picture)


def _told(mistake: ProgramMistake) -> str:
    return f"  {mistake.path or 'the file'} {mistake.message}"
