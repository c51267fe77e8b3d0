"""SECURITY.md names tests that there are, for threats of every kind."""

import ast
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
TEXT: Final = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED: Final = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
ROW: Final = re.compile(
    r"^\| (?P<kinds>[STRIDE, ]+): (?P<threat>.+?) \| (?P<stopped>.+?) \| (?P<shown>.+) \|$", re.MULTILINE
)


def _tests_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_it_names_is_there() -> None:
    """A claim whose test was renamed or removed is a claim without one."""
    assert len(NAMED) > 20
    assert [] == [f"{path}::{name}" for path, name in NAMED if name not in _tests_of(path)]


def test_every_threat_is_stopped_by_something_that_is_shown() -> None:
    """Each row says what stops it and names a test; every kind of threat is there."""
    rows = list(ROW.finditer(TEXT))
    assert len(rows) == sum(line.startswith("| ") and ": " in line.split("|")[1] for line in TEXT.splitlines())
    assert [] == [row["threat"] for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row["shown"])]
    assert set("STRIDE") == {kind for row in rows for kind in row["kinds"] if kind.isalpha()}


def test_all_ten_risks_of_the_owasp_list_have_a_test() -> None:
    """Of its edition of 2023, by number."""
    tests = _tests_of("tests/web/test_owasp_api_top_ten.py")
    assert list(range(1, 11)) == sorted({int(name.split("_")[1][3:]) for name in tests if name.startswith("test_api")})
