"""Program files as authors write and replace them."""

import os
from pathlib import Path
from typing import Final

from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_toml import program_from_toml

_PROGRAM: Final = """\
id = "swapped"
version = "{version}"
currency = "USD"
minor_units = 2
time_zone = "UTC"
points_per_unit = {rate}
tiers = [{{ name = "Gold", bonus_percent = 50 }}]
"""
BROKEN: Final = """\
id = "swapped"
version = "no spaces, please"
currency = "USD"
minor_unit = 2
time_zone = "UTC"
points_per_unit = 2
"""
BROKEN_BY: Final = [
    "minor_unit is not a key of a program; did you mean minor_units?",
    "minor_units is missing",
    "version must be 1 to 64 characters: a letter or digit, then letters, digits, '.', '_', ':' or '-'",
]


def toml_of(rate: int) -> str:
    """The program that gives `rate` points a dollar, and is called after that."""
    return _PROGRAM.format(version=f"rate-{rate}", rate=rate)


def program_of(rate: int) -> RewardProgram:
    return program_from_toml(toml_of(rate))


def replace(path: Path, text: str) -> None:
    """Put `text` at `path` in one step: nobody ever sees half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105 - the word for it
