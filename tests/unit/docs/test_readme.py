"""The README shows what happens."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from loyalty_web.settings import SECTIONS
from loyalty_web.variables import table

README: Final = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
EXAMPLES: Final = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)


def test_there_are_examples() -> None:
    """The examples below are found at all."""
    assert 2 == len(EXAMPLES)


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_example_prints_what_the_readme_says(code: str, printed: str) -> None:
    """A reader who pastes an example sees the output that stands below it."""
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)

    assert (printed, "", 0) == (run.stdout, run.stderr, run.returncode)


def test_table_of_variables_is_complete() -> None:
    """Every variable the service reads stands in the README's table, with its default and meaning."""
    rows = [line for line in README.splitlines() if line.startswith("| `")]

    assert [str(row) for row in table(*SECTIONS.values())] == rows


def test_core_imports_nothing_but_msgspec() -> None:
    """Another service that imports the core gets msgspec and the standard library, and nothing else."""
    code = (
        "import sys, msgspec; before = set(sys.modules); import loyalty_core;"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}"
        " - set(sys.stdlib_module_names) - {'loyalty_core'} - {m for m in sys.modules if m.startswith('_sysconfig')}))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)

    assert "[]\n" == run.stdout
