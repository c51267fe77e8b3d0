"""`loyalty program check` and `show`."""

import json
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from loyalty_core.domain.program_examples import example_programs
from loyalty_core.domain.program_toml import program_from_toml
from loyalty_web.cli import main
from tests.unit.cli.test_quote_command import GOLDEN
from tests.unit.rewards.test_program_files import BROKEN

_BROKEN: Final = sorted(path.stem for path in BROKEN.glob("*.toml"))


def test_there_are_enough_broken_files() -> None:
    """Ten ways or more in which a file is broken."""
    assert len(_BROKEN) >= 10


@pytest.mark.parametrize("name", _BROKEN)
def test_check_names_every_mistake(name: str) -> None:
    """Each mistake is a line with its path and what to change; as JSON it is the same; the exit code is 1."""
    path = BROKEN / f"{name}.toml"
    expected = (BROKEN / f"{name}.mistakes").read_text(encoding="utf-8").splitlines()
    result = CliRunner().invoke(main, ["program", "check", str(path)])
    told = result.stdout.splitlines()
    assert (1, "") == (result.exit_code, result.stderr)
    assert f"{path} has {len(expected)} mistake{'' if len(expected) == 1 else 's'}:" == told[0]
    assert expected == [line.removeprefix("  ").removeprefix("the file ") for line in told[1:]]
    as_json = CliRunner().invoke(main, ["program", "check", str(path), "--json"])
    assert 1 == as_json.exit_code
    assert expected == [f"{each['path']} {each['message']}".strip() for each in json.loads(as_json.stdout)]


@pytest.mark.parametrize("name", example_programs())
def test_what_comes_with_the_library_is_fine(name: str) -> None:
    """Exit code 0, and the program in a line."""
    result = CliRunner().invoke(main, ["program", "check", name])
    assert 0 == result.exit_code
    assert [f"{name} is fine.", name] == [
        result.stdout.splitlines()[0],
        result.stdout.splitlines()[1].split()[0],
    ]
    as_json = CliRunner().invoke(main, ["program", "check", name, "--json"])
    assert (0, []) == (as_json.exit_code, json.loads(as_json.stdout))


@pytest.mark.parametrize("name", example_programs())
def test_programs_on_a_page(name: str) -> None:
    """Each page says in words what the file does, and looks the same wherever it is printed."""
    result = CliRunner().invoke(main, ["program", "show", name])
    assert 0 == result.exit_code
    expected = (GOLDEN / f"show-{name}.txt").read_text(encoding="utf-8").splitlines()
    assert expected == [line.rstrip() for line in result.stdout.rstrip().splitlines()]


def test_nothing_is_taken_for_markup(tmp_path: Path) -> None:
    """A promotion's name may have brackets and colons, and is shown as it is."""
    path = tmp_path / "program.toml"
    text = (
        'id = "shop"\nversion = "1"\ncurrency = "EUR"\nminor_units = 2\ntime_zone = "UTC"\npoints_per_unit = 1\n'
        '[[promotions]]\nid = "p"\nname = "[bold]:smile: [/x]"\nmultiplier = 2\n'
    )
    path.write_text(text, encoding="utf-8")
    shown = CliRunner().invoke(main, ["program", "show", str(path)]).stdout
    assert "[bold]:smile: [/x]" in shown
    assert program_from_toml(text).content_hash in shown


@pytest.mark.parametrize(
    ("content", "told"), [(None, "There is no file"), (b"\xff", "is not UTF-8 text"), ("folder", "cannot be read")]
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | str | None, told: str) -> None:
    """One sentence; where there is no such file, the names that are known."""
    path = tmp_path / "program.toml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    for command in ("check", "show"):
        result = CliRunner().invoke(main, ["program", command, str(path)])
        assert 1 == result.exit_code
        assert told in result.stderr
        assert ("grocery" in result.stderr) == (content is None)
