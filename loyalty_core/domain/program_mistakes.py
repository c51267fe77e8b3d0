"""What is wrong with a reward program, in its author's words."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from loyalty_core.domain.basket import FieldPath, format_path
from loyalty_core.domain.errors import LoyaltyError


class ProgramMistake(msgspec.Struct, frozen=True, order=True):
    """One mistake, and what to change."""

    path: str
    """Where, as keys of the TOML file: ``promotions[3].valid_from``. Empty for the file as a whole."""
    message: str
    """The second half of a sentence that begins with the path."""

    def __str__(self) -> str:
        return f"{self.path} {self.message}".strip()


class InvalidProgram(LoyaltyError):
    """A program that breaks rules: all of them are in `mistakes`, not just the first."""

    code = "invalid_program"

    def __init__(self, mistakes: tuple[ProgramMistake, ...]) -> None:
        number = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n".join((f"the reward program has {number}:", *(f"  {mistake}" for mistake in mistakes))))
        self.mistakes = mistakes


class Finding(NamedTuple):
    """A rule that does not hold, and the values that it was judged by.

    Where one of them could not even be read, that is the mistake to report, and this is not.
    """

    message: str
    path: FieldPath
    also_read: tuple[FieldPath, ...] = ()

    @property
    def mistake(self) -> ProgramMistake:
        """The finding as it is reported."""
        return ProgramMistake(format_path(self.path), self.message)

    def rests_on(self, unreadable: Iterable[FieldPath]) -> bool:
        """Whether it was judged by anything at or under one of the `unreadable` paths."""
        return any(path[: len(broken)] == broken for broken in unreadable for path in (self.path, *self.also_read))
