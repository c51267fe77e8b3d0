"""``python -m tests.benchmarks``: every figure the service should reach, beside floors taken in the same run."""

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path

import click

from tests.benchmarks.call_costs import call_costs
from tests.benchmarks.sales import capture
from tests.benchmarks.stack import Stack
from tests.benchmarks.table import Row, heading, line


async def main(asked: argparse.Namespace) -> list[Row]:
    """Measure, and print each figure as it is found."""
    home = Path(tempfile.mkdtemp(prefix="loyalty-bench-"))
    rows: list[Row] = []

    def tell(found: list[Row]) -> None:
        for row in found:
            click.echo(line(row))
        rows.extend(found)

    try:
        async with Stack(home) as stack:
            captured = await capture(stack, "SEEN")
            await stack.start_floors(captured)
            click.echo(heading())
            costs = await call_costs(stack, captured, "COST", rounds=asked.rounds, sales=asked.sales)
            tell(costs.rows)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the service against floors taken in the same run.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sales", type=int, default=1000)
    asyncio.run(main(parser.parse_args()))
