"""What a single value of a program may be. Each function yields what is wrong with one, if anything is."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from loyalty_core.domain.basket import FieldPath
from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.domain.identifiers import check_external_id
from loyalty_core.domain.money import UnfitNumber, scale
from loyalty_core.domain.program_mistakes import Finding

MAX_NAME: Final = 100


def check_decimal(path: FieldPath, value: Decimal, places: int, *, lowest: int, highest: int) -> Iterator[Finding]:
    """A number from `lowest` to `highest`, both included, with at most `places` decimals."""
    try:
        scale(value, places, below=highest + 1)
    except UnfitNumber as unfit:
        yield Finding(str(unfit), path)
    else:
        if not lowest <= value <= highest:
            yield Finding(f"must be between {lowest} and {highest}", path)


def check_count(path: FieldPath, value: int, *, lowest: int, highest: int) -> Iterator[Finding]:
    """A whole number from `lowest` to `highest`, both included. A float is none, even where it is whole."""
    if type(value) is not int or not lowest <= value <= highest:
        yield Finding(f"must be a whole number between {lowest} and {highest}", path)


def check_choice(path: FieldPath, value: str, choices: Iterable[str]) -> Iterator[Finding]:
    """One of `choices`, as such or as its text."""
    if value not in set(choices):
        yield Finding(f"must be one of {', '.join(choices)}", path)


def check_id(path: FieldPath, value: str) -> Iterator[Finding]:
    """An identifier as tills may send one."""
    try:
        check_external_id("", value)
    except ValidationFailed as failed:
        yield Finding(failed.errors[0].message, path)


def check_ids(path: FieldPath, values: Sequence[str]) -> Iterator[Finding]:
    """Identifiers, each once."""
    for position, value in enumerate(values):
        yield from check_id((*path, position), value)
    yield from check_unique([(*path, position) for position in range(len(values))], values)


def check_unique(paths: Sequence[FieldPath], values: Sequence[str]) -> Iterator[Finding]:
    """Values of which no two are equal."""
    first: dict[str, FieldPath] = {}
    for path, value in zip(paths, values, strict=True):
        earlier = first.setdefault(value, path)
        if earlier is not path:
            yield Finding(f"repeats {value!r}; remove or rename one of the two", path, (earlier,))


def check_name(path: FieldPath, value: str) -> Iterator[Finding]:
    """A text for people to read."""
    if not value.strip() or len(value) > MAX_NAME or not value.isprintable():
        yield Finding(f"must be 1 to {MAX_NAME} printable characters", path)
