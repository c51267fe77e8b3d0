from typing import Protocol

from loyalty_core.domain.program import RewardProgram


class ProgramSource(Protocol):
    """The reward program in force; it may be swapped between two calls, never within one."""

    def current(self) -> RewardProgram:
        """The program in force now. Its content is already kept by its hash."""
        ...
