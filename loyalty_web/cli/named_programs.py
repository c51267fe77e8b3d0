"""Programs as commands are given them: a path, or the name of one that comes with the library."""

from pathlib import Path

import click

from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_examples import example_program_toml, example_programs
from loyalty_core.domain.program_mistakes import InvalidProgram
from loyalty_core.domain.program_toml import program_from_toml


def program_text(name: str) -> str:
    """The TOML of the program in the file `name`, else of the one that comes with the library under that name."""
    path = Path(name)
    try:
        if path.exists():
            return path.read_text(encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{name} is not UTF-8 text.") from None
    if name in example_programs():
        return example_program_toml(name)
    raise click.ClickException(f"There is no file {name}; programs known by name are {', '.join(example_programs())}.")


def program_named(name: str) -> RewardProgram:
    """The program itself; the error of one that is none lists every mistake in it."""
    try:
        return program_from_toml(program_text(name))
    except InvalidProgram as invalid:
        raise click.ClickException(f"{name}: {invalid.message}") from None
