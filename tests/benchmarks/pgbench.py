"""The statement floor: pgbench running, prepared, the very statements that one sale sends."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.captured import Captured, Statement, mark

CLIENTS: Final = 16
_SALE: Final = ("identify", "calculateRewards", "finalize")
_ISOLATION: Final = (
    "-c default_transaction_isolation=serializable -c plan_cache_mode=force_generic_plan -c jit=off -c timezone=UTC"
)
_PLACE: Final = re.compile(r"\$(\d+)")
_RATE: Final = re.compile(r"tps = ([0-9.]+) ")
_HEAD: Final = """\
\\set counter :counter + 1
\\set sale :counter * 1000 + :client_id + :base * 1000000000
"""
_NUMBER: Final = ":sale::int8"
_SLOTS: Final = {
    # Ids in the order of time, as the service's own are.
    "session": f"lpad(to_hex({_NUMBER}), 32, '0')::uuid::text",
    "session_hex": f"lpad(to_hex({_NUMBER}), 32, '0')",
    "transaction": f"('T-' || {_NUMBER})",
    "customer": f"('LOAD-' || mod({_NUMBER}, 1000))",
    "host_session": f"('pdi_' || {_NUMBER})",
    "address": ":ctid::text",
    "now": "now()::text",
}
_MARKS: Final = re.compile("|".join(re.escape(mark(slot)) for slot in _SLOTS))


class Script:
    """One sale as pgbench reads it: the statements in their order, and the constants among their parameters.

    pgbench has no null parameter, so NULLs are spelled out in the statements; whatever differs from one sale to the
    next is computed from its number by the server.
    """

    def __init__(self, captured: Captured) -> None:
        self.constants: list[str] = []
        statements = [each for call in _SALE for each in captured.statements[call]]
        self.text = _HEAD + "".join(self._written(each) for each in statements)

    def _written(self, statement: Statement) -> str:
        def value(place: re.Match[str]) -> str:
            return self._expression(statement.parameters[int(place[1]) - 1])

        text = _PLACE.sub(value, statement.text.strip().rstrip(";"))
        # What a writing statement returns is where it has put the row; the next one looks for it there.
        return f"{text}\n\\gset\n" if re.search(r"\bctid::text FROM changed\b", text) else f"{text};\n"

    def _expression(self, template: str | None) -> str:
        if template is None:
            return "NULL"
        parts = []
        rest = template
        while found := _MARKS.search(rest):
            if found.start():
                parts.append(f"{self._constant(rest[: found.start()])}::text")
            parts.append(_SLOTS[found[0][1:-1]])
            rest = rest[found.end() :]
        if not parts:
            return self._constant(template)
        if rest:
            parts.append(f"{self._constant(rest)}::text")
        return f"({' || '.join(parts)})"

    def _constant(self, value: str) -> str:
        if not value:
            return "''"  # which no variable of pgbench's can be
        if value not in self.constants:
            self.constants.append(value)
        return f":v{self.constants.index(value)}"


async def sales_per_second(
    pgbench: Path, url: str, script: Script, folder: Path, *, seconds: float, base: int
) -> float:
    """How many sales' statements the server runs each second with nothing in front of it. `base` tells runs apart.

    Raises:
        RuntimeError: pgbench failed.
    """
    file = folder / "sale.sql"
    file.write_text(script.text)
    constants = [f"-Dv{number}={value}" for number, value in enumerate(script.constants)]
    process = await asyncio.create_subprocess_exec(
        str(pgbench), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", f"{seconds:.0f}", "--max-tries=10",
        "-f", str(file), "-Dcounter=0", f"-Dbase={base}", *constants, url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={"PGOPTIONS": _ISOLATION},
    )  # fmt: skip
    out, err = await process.communicate()
    found = _RATE.search(out.decode())
    if process.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench ended with {process.returncode}: {_tail(err)} {_tail(out)}")
    return float(found[1])


def _tail(said: bytes, lines: int = 4) -> str:
    words: Sequence[str] = said.decode(errors="replace").splitlines()
    return " | ".join(words[-lines:])
