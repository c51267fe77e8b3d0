"""Programs to start from, as TOML: they come with the library and are checked with it."""

from importlib.resources import files
from importlib.resources.abc import Traversable


def example_programs() -> tuple[str, ...]:
    """The names of the programs that come with the library, sorted. ``built-in`` is used where none is given."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.is_file()))


def example_program_toml(name: str) -> str:
    """The TOML, comments included, of the example called `name`.

    Raises:
        KeyError: there is no such example.
    """
    if name not in example_programs():
        raise KeyError(name)
    return (_folder() / f"{name}.toml").read_text(encoding="utf-8")


def _folder() -> Traversable:
    return files("loyalty_core") / "programs"
