"""How the pages for authors look."""

from typing import Final

from rich import box
from rich.console import Console
from rich.table import Column, Table

_WIDTH: Final = 100
"""Of what is no terminal: files and pipes read the same everywhere."""


def page() -> Console:
    """Where pages are printed. Nothing in a program or a basket is taken for markup."""
    console = Console(markup=False, emoji=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, emoji=False, highlight=False, width=_WIDTH)


def table(*columns: Column | str, title: str | None = None) -> Table:
    """A table without rows."""
    return Table(*columns, title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def number(header: str) -> Column:
    """A column of figures."""
    return Column(header, justify="right", no_wrap=True)


def name(header: str) -> Column:
    """A column of names; long ones go on in the next line, whole."""
    return Column(header, overflow="fold")
