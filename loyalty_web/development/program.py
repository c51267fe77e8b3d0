import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Tether = Callable[[Sequence[str]], list[str]]
"""Wraps a command so that it dies with the process that starts it."""


class DevelopmentError(Exception):
    """The stack cannot run. The message is for the person who started it; it says what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command the stack runs under a short name."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    echo: bool = True
    """Whether its warnings belong on the terminal; everything goes to its log file in any case."""
    patience: float = 20.0
    """Seconds it may take to stop by itself."""


def loyalty(*arguments: str) -> tuple[str, ...]:
    """The command line of this very installation, whatever the PATH says."""
    return (sys.executable, "-m", "loyalty_web.cli", *arguments)
