"""Two programs compared on a database of sales: every figure is one that was worked out by hand."""

import asyncio
import json
import os
import pty
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from click.testing import CliRunner, Result

from loyalty_adapters.postgres.settled_sales import settled_sales
from loyalty_core.domain.identifiers import format_session_id
from loyalty_core.domain.program_toml import program_from_toml
from loyalty_core.domain.session import Session
from loyalty_web.cli import main
from loyalty_web.cli.replay import replay
from tests.contracts.sales import new_session
from tests.integration.programs.sold import KINDS, NEW_TOML, NIGHTS, OLD, OLD_TOML, a_sale, put_away, sell

_EACH: Final = 600
"""Sales of each kind, so many on each of the three nights: 200."""
_UNREWARDED: Final = 15


@pytest.fixture
def programs(tmp_path: Path) -> list[str]:
    """The paths of the old program and of the new one."""
    paths = [tmp_path / "old.toml", tmp_path / "new.toml"]
    for path, text in zip(paths, (OLD_TOML, NEW_TOML), strict=True):
        path.write_text(text, encoding="utf-8")
    return [str(path) for path in paths]


async def compare(url: str, *arguments: str) -> Result:
    """`loyalty program compare ... --sessions` on the database at `url`."""
    environment: Mapping[str, str | None] = {**os.environ, "DATABASE_URL": url}
    words = ["program", "compare", *arguments, "--sessions"]
    return await asyncio.to_thread(CliRunner().invoke, main, words, env=environment)


async def document(url: str, *arguments: str) -> Any:
    result = await compare(url, *arguments, "--json")
    assert (0, "") == (result.exit_code, result.stderr)
    return json.loads(result.stdout)


def figures(old: int, new: int, *, sales: int, changed: int) -> dict[str, int]:
    return {"sales": sales, "changed": changed, "old": old, "new": new, "difference": new - old}


async def test_every_figure_by_hand(database_url: str, programs: list[str], tmp_path: Path) -> None:
    """3,000 sales live and archived, some returned, some without rewards, and some that the new program refuses."""
    sales = [a_sale(number, uploaded_late=number % 7 == 0) for number in range(_EACH * len(KINDS))]
    unrewarded = [a_sale(number, rewarded=False) for number in range(_UNREWARDED)]
    await sell(database_url, [*sales, *unrewarded, *(new_session() for _ in range(10))])
    await put_away(database_url, [*sales[:90], *unrewarded[:5]])
    await give_back(database_url, sales[100:104])
    picture = tmp_path / "points.svg"
    told = await document(database_url, *programs, "--chart", str(picture))

    # Plain 10 and 20, Gold 15 and 25, coffee 20 and 20, tea 10 and 27; the paid ones fit the old program alone.
    old, new = _EACH * (10 + 15 + 20 + 10), _EACH * (20 + 25 + 20 + 27)
    assert figures(old, new, sales=4 * _EACH, changed=3 * _EACH) == told["total"]
    assert (3 * _EACH, 0) == (told["gained"], told["lost"])
    assert [
        {"tier": None, **figures(_EACH * 30, _EACH * 40, sales=2 * _EACH, changed=_EACH)},
        {"tier": "Gold", **figures(_EACH * 15, _EACH * 25, sales=_EACH, changed=_EACH)},
        {"tier": "Silver", **figures(_EACH * 10, _EACH * 27, sales=_EACH, changed=_EACH)},
    ] == told["byTier"]
    assert [
        ("base", None, figures(4 * _EACH * 10, 4 * _EACH * 20, sales=4 * _EACH, changed=4 * _EACH)),
        ("promotion", "coffee", figures(_EACH * 10, 0, sales=_EACH, changed=_EACH)),
        ("promotion", "tea", figures(0, _EACH * 7, sales=_EACH, changed=_EACH)),
        ("tier bonus", None, figures(_EACH * 5, _EACH * 5, sales=_EACH, changed=0)),
    ] == [
        (part["source"], part["promotion"], {name: part[name] for name in told["total"]}) for part in told["bySource"]
    ]
    third = figures(old // 3, new // 3, sales=4 * _EACH // 3, changed=_EACH)
    assert [{"day": f"2026-11-0{day}", **third} for day in (1, 2, 3)] == told["byDay"]
    paid = [format_session_id(sale.id) for sale in sales[4::5]]
    (misfit,) = told["misfits"]
    assert ("new", "redemption: minimum", _EACH, _EACH * 8) == tuple(
        misfit[name] for name in ("program", "reason", "sales", "points")
    )
    assert 5 == len(misfit["sessions"])
    assert set(misfit["sessions"]) <= set(paid)
    assert (_EACH, _UNREWARDED) == (told["notComparable"], told["withoutRewards"])
    # Three of four were quoted by the old program, and four of five fit the new one.
    assert (len(sales) * 3 * 4 // 20, 4) == (told["quotedByOld"], told["returned"])
    assert {"old": old // 3, "new": new // 3} == drawn(picture)


async def give_back(url: str, sales: list[Session]) -> None:
    """Something of `sales` was returned."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as operator:
        await operator.execute(
            "UPDATE sessions SET status = 'partially_returned' WHERE id = ANY (%s)", [[sale.id for sale in sales]]
        )


def drawn(picture: Path) -> dict[str, int]:
    """The points that the picture names for its last day, old and new; it is well-formed."""
    space = "{http://www.w3.org/2000/svg}"
    root = ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - written by ourselves
    assert f"{space}svg" == root.tag
    assert 2 == len(root.findall(f"{space}polyline"))
    dots = [dot[0].text or "" for dot in root.findall(f"{space}circle")]
    assert ["2026-11-01", "2026-11-02", "2026-11-03"] * 2 == [dot.split(":")[0] for dot in dots]
    old, new = (int(dot.split(": ")[1].replace(",", "")) for dot in (dots[2], dots[5]))
    return {"old": old, "new": new}


async def test_a_few_days_of_it(database_url: str, programs: list[str]) -> None:
    """From a day on and before another, in the shop's own time, whether a sale was uploaded late or not."""
    sales = [a_sale(number, uploaded_late=number % 2 == 0) for number in range(len(KINDS) * len(NIGHTS) * 4)]
    await sell(database_url, sales)
    for bounds, days in (
        (["--since", "2026-11-02"], ["2026-11-02", "2026-11-03"]),
        (["--until", "2026-11-02"], ["2026-11-01"]),
        (["--since", "2026-11-02", "--until", "2026-11-03"], ["2026-11-02"]),
        (["--since", "2026-11-04"], []),
    ):
        told = await document(database_url, *programs, *bounds)
        assert days == [day["day"] for day in told["byDay"]]
        assert 16 * len(days) == told["total"]["sales"]
        assert 4 * len(days) == told["notComparable"]


async def test_the_page(database_url: str, programs: list[str]) -> None:
    """What people read says the same, the sales that cannot be compared by their reason."""
    sales = [a_sale(number) for number in range(len(KINDS) * len(NIGHTS))]
    await sell(database_url, sales)
    result = await compare(database_url, *programs)
    assert (0, "") == (result.exit_code, result.stderr)
    paid = sorted(format_session_id(sale.id) for sale in sales[4::5])
    page = result.stdout
    for session in paid:
        page = page.replace(session, "SESSION")
    golden = Path(__file__).parent / "comparison.txt"
    assert golden.read_text(encoding="utf-8").splitlines() == [line.rstrip() for line in page.rstrip().splitlines()]


async def test_no_sales_at_all(database_url: str, programs: list[str], tmp_path: Path) -> None:
    """An empty database is no error, and its picture is one without points."""
    picture = tmp_path / "none.svg"
    told = await document(database_url, *programs, "--chart", str(picture))
    assert figures(0, 0, sales=0, changed=0) == told["total"]
    assert [] == told["byDay"]
    ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - written by ourselves


async def test_sales_archived_meanwhile_are_seen_once(database_url: str) -> None:
    """Between two pages sales move to the archive, ahead of the reader and behind it: each is read exactly once."""
    sales = [a_sale(number) for number in range(60)]
    await sell(database_url, sales)
    by_id = sorted(sales, key=lambda sale: sale.id)
    seen = []
    with settled_sales(database_url) as settled:
        pages = settled.pages(size=7)
        for number, page in enumerate(pages):
            seen += [sale.id for sale in page]
            if number < 6:
                await put_away(database_url, [by_id[number], by_id[-1 - number]])
    assert [sale.id for sale in by_id] == seen


async def test_pages_wait_for_their_turn(database_url: str) -> None:
    """However many there are, no more pages are read than processes are about to need; each is counted once."""
    await sell(database_url, [a_sale(number) for number in range(40)])
    read = done = 0
    furthest = 0

    def pages() -> Any:
        nonlocal read, furthest
        with settled_sales(database_url) as settled:
            stored = [page[0] for page in settled.pages(size=1)]
        for sale in stored:
            read += 1
            furthest = max(furthest, read - done)
            yield [sale]

    def progress(count: int, _: object) -> None:
        nonlocal done
        done += count

    new = program_from_toml(NEW_TOML)
    compared = await asyncio.to_thread(replay, pages(), OLD, new, progress=progress, processes=1)
    assert (40, 40) == (done, read)
    assert 40 == compared.total.sales + compared.unfit
    assert 3 >= furthest > 0


async def test_the_database_is_only_read(database_url: str) -> None:
    """A slip in this tool could not change a sale."""
    with settled_sales(database_url) as settled, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        settled._connection.execute("DELETE FROM sessions")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.toml", "built-in", "--sessions"], "There is no file nowhere.toml"),
        (["built-in", "grocery", "--sessions", "--chart", "points.png"], "ends in .svg"),
        (["built-in", "grocery"], "Missing option '--sessions'"),
        (["built-in", "grocery", "--sessions", "--since", "yesterday"], "'yesterday' does not match"),
    ],
)
def test_what_cannot_be_compared(arguments: list[str], told: str) -> None:
    """A slip on the command line is told in one sentence."""
    result = CliRunner().invoke(main, ["program", "compare", *arguments])
    assert result.exit_code in {1, 2}
    assert told in result.output


async def test_a_database_that_is_away(programs: list[str]) -> None:
    """Told without its address, which holds a password; one that is not named is a mistake in the settings."""
    gone = await compare("postgresql://loyalty:hidden@127.0.0.1:1/loyalty", *programs)
    assert 1 == gone.exit_code
    assert "storage_unavailable" in gone.output
    assert "hidden" not in gone.output
    missing = await asyncio.to_thread(
        CliRunner().invoke, main, ["program", "compare", *programs, "--sessions"], env={"DATABASE_URL": None}
    )
    assert (2, True) == (missing.exit_code, "DATABASE_URL: is required" in missing.output)


async def test_as_a_process(database_url: str, programs: list[str]) -> None:
    """As an author runs it, in a process of its own, whose own processes start and end with it."""
    await sell(database_url, [a_sale(number) for number in range(20)])
    words = ["-m", "loyalty_web.cli", "program", "compare", *programs, "--sessions", "--json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env={**os.environ, "DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert (0, b"") == (process.returncode, err)
    assert 16 == json.loads(out)["total"]["sales"]


async def test_a_bar_on_a_terminal(database_url: str, programs: list[str]) -> None:
    """Whoever waits sees how far it has come, in sales and in days; what is written to a file holds nothing of it."""
    await sell(database_url, [a_sale(number) for number in range(20)])
    words = ["-m", "loyalty_web.cli", "program", "compare", *programs, "--sessions", "--json"]
    terminal, its_end = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env={**os.environ, "DATABASE_URL": database_url, "TERM": "xterm"},
        stdout=asyncio.subprocess.PIPE, stderr=its_end,
    )  # fmt: skip
    os.close(its_end)
    async with asyncio.timeout(60):
        shown, (out, _) = await asyncio.gather(asyncio.to_thread(_all_of, terminal), process.communicate())
    assert 0 == process.returncode
    assert 16 == json.loads(out)["total"]["sales"]
    assert "20 sales" in shown
    assert "Sales of 20" in shown


def _all_of(terminal: int) -> str:
    """Whatever is written to the terminal until its other end is closed."""
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as reading, suppress(OSError):  # how Linux tells of a closed end
        while written := reading.read(65536):
            shown += written
    return shown.decode()
