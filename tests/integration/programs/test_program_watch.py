"""A program's file is changed under a running process: what is put in force, when, and what is said of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from loyalty_adapters.memory.programs import MemoryProgramArchive
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_web.program_watch import ProgramWatch
from loyalty_web.programs import ProgramInForce
from tests.integration.programs.program_files import BROKEN, BROKEN_BY, program_of, replace, toml_of
from tests.processes import soon

_NEVER: Final = 3600.0
_SWAPPED: Final = "The reward program was swapped"
_REFUSED: Final = "The changed reward program cannot be used; the one before it stays in force"


class Archive(MemoryProgramArchive):
    """An archive that may be away, and knows what was in force whenever a program came in."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked = 0
        self.in_force: Callable[[], RewardProgram] = built_in_program
        self.before: dict[str, str] = {}

    @override
    async def keep(self, program: RewardProgram) -> None:
        self.asked += 1
        if self.away:
            raise StorageUnavailable
        self.before.setdefault(program.version, self.in_force().version)
        await super().keep(program)


class Watched:
    """A process's program, the file it came from, and what was logged."""

    def __init__(self, path: Path, look_every: float) -> None:
        self.path = path
        self.archive = Archive()
        self.programs = ProgramInForce(program_of(1), self.archive, SystemClock())
        self.archive.in_force = self.programs.current
        self.watch = ProgramWatch(str(path), self.programs, look_every)
        self.lines: list[MutableMapping[str, Any]] = []

    @property
    def version(self) -> str:
        return self.programs.current().version

    def said(self, message: str) -> list[MutableMapping[str, Any]]:
        return [line for line in self.lines if line["event"] == message]


@asynccontextmanager
async def watching(folder: Path, look_every: float) -> AsyncIterator[Watched]:
    path = folder / "program.toml"
    replace(path, toml_of(1))
    watched = Watched(path, look_every)
    with capture_logs() as lines:
        watched.lines = lines
        async with watched.programs.kept(), watched.watch.watching():
            yield watched


async def test_asked_for_it_swaps_at_once(tmp_path: Path) -> None:
    """The new program is in the archive before it is in force; one line says what was swapped for what."""
    async with watching(tmp_path, _NEVER) as watched:
        replace(watched.path, toml_of(2))
        watched.watch.look_now()
        await soon(lambda: watched.version == "rate-2", "the swap")
        assert {"rate-1": "rate-1", "rate-2": "rate-1"} == watched.archive.before
        assert program_of(2) == await watched.archive.find(program_of(2).content_hash)
        await soon(lambda: bool(watched.said(_SWAPPED)), "the line that says so")
        (line,) = watched.said(_SWAPPED)
        assert ("swapped", "rate-2", program_of(2).content_hash, "rate-1", program_of(1).content_hash) == tuple(
            line[name] for name in ("programId", "programVersion", "programHash", "formerVersion", "formerHash")
        )


async def test_a_change_is_noticed(tmp_path: Path) -> None:
    """Nobody asks: a replaced file, a rewritten one, and one behind a swapped link are put in force all the same."""
    async with watching(tmp_path, 0.02) as watched:
        replace(watched.path, toml_of(2))
        await soon(lambda: watched.version == "rate-2", "a replaced file")
        watched.path.write_text(toml_of(3), encoding="utf-8")
        await soon(lambda: watched.version == "rate-3", "a rewritten file")
        for rate in (4, 5):
            folder = tmp_path / str(rate)
            folder.mkdir()
            (folder / "program.toml").write_text(toml_of(rate), encoding="utf-8")
            link = tmp_path / "link"
            link.unlink(missing_ok=True)
            link.symlink_to(folder / "program.toml")
            link.replace(watched.path)
            await soon(lambda rate=rate: watched.version == f"rate-{rate}", "a swapped link")  # type: ignore[misc]  # bound now
        await soon(lambda: len(watched.said(_SWAPPED)) == 4, "a line for each")
        assert ["rate-2", "rate-3", "rate-4", "rate-5"] == [line["programVersion"] for line in watched.said(_SWAPPED)]


async def test_a_change_before_the_first_look(tmp_path: Path) -> None:
    """The file changed after the program was loaded and before anybody watched: it is not missed."""
    path = tmp_path / "program.toml"
    watched = Watched(path, 0.02)
    replace(path, toml_of(7))
    async with watched.watch.watching():
        await soon(lambda: watched.version == "rate-7", "the swap")


async def test_what_is_still_being_written_is_left_alone(tmp_path: Path) -> None:
    """Half a file may be a sound program; while it goes on changing it is not judged, and then it is, once."""
    async with watching(tmp_path, 0.05) as watched:
        looked: list[str] = []
        for number in range(60):
            watched.path.write_text(toml_of(2) + "#" * number, encoding="utf-8")
            looked.append(watched.version)
            await asyncio.sleep(0.01)
        assert {"rate-1"} == set(looked)
        watched.path.write_text(toml_of(3), encoding="utf-8")
        await soon(lambda: watched.version == "rate-3", "the finished file")
        await soon(lambda: bool(watched.said(_SWAPPED)), "the line that says so")
        assert 1 == len(watched.said(_SWAPPED))


async def test_a_bad_file_leaves_the_old_program_in_force(tmp_path: Path) -> None:
    """One line lists every mistake; it is not said again until the file changes or somebody asks; mended, it swaps."""
    async with watching(tmp_path, 0.02) as watched:
        replace(watched.path, BROKEN)
        await soon(lambda: bool(watched.said(_REFUSED)), "the refusal")
        await asyncio.sleep(0.2)
        (line,) = watched.said(_REFUSED)
        assert ("error", BROKEN_BY, 3) == (line["log_level"], line["mistakes"], line["mistakesInAll"])
        assert ("rate-1", program_of(1).content_hash) == (line["programVersion"], line["programHash"])
        watched.watch.look_now()
        await soon(lambda: len(watched.said(_REFUSED)) == 2, "the answer to whoever asked")
        assert "rate-1" == watched.version
        replace(watched.path, toml_of(2))
        await soon(lambda: watched.version == "rate-2", "the mended program")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b""], ids=["missing", "no text", "empty"])
async def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """Gone, empty, or something else than text: the old program stays, and one line says so."""
    async with watching(tmp_path, 0.02) as watched:
        if content is None:
            watched.path.unlink()
        else:
            watched.path.write_bytes(content)
        await soon(lambda: bool(watched.said(_REFUSED)), "the refusal")
        await asyncio.sleep(0.1)
        assert 1 == len(watched.said(_REFUSED))
        assert "rate-1" == watched.version


async def test_a_file_of_nothing_but_mistakes(tmp_path: Path) -> None:
    """The line lists fifty of them and says how many there are."""
    async with watching(tmp_path, _NEVER) as watched:
        replace(watched.path, "".join(f"key{number} = 1\n" for number in range(500)))
        watched.watch.look_now()
        await soon(lambda: bool(watched.said(_REFUSED)), "the refusal")
        (line,) = watched.said(_REFUSED)
        assert 50 == len(line["mistakes"])
        assert 500 < line["mistakesInAll"]


async def test_nothing_quotes_before_it_is_archived(tmp_path: Path) -> None:
    """Storage is away: the old program quotes on; the new one comes in force as soon as its content is kept."""
    async with watching(tmp_path, 0.02) as watched:
        watched.archive.away = True
        replace(watched.path, toml_of(2))
        asked = watched.archive.asked
        await soon(lambda: watched.archive.asked > asked + 3, "some tries")
        assert "rate-1" == watched.version
        watched.archive.away = False
        await soon(lambda: watched.version == "rate-2", "the swap")
        assert "rate-1" == watched.archive.before["rate-2"]


async def test_a_call_keeps_the_program_it_began_with(tmp_path: Path) -> None:
    """Swapped in the middle of a call, that call and the tasks it started go on with the old one; the next does not."""
    async with watching(tmp_path, _NEVER) as watched:

        async def version() -> str:
            return watched.version

        with watched.programs.held():
            await watched.programs.put(program_of(2))
            assert ("rate-1", "rate-1") == (watched.version, await asyncio.create_task(version()))
            with watched.programs.held():
                assert "rate-2" == watched.version
            assert "rate-1" == watched.version
        assert "rate-2" == watched.version


async def test_asked_without_a_change(tmp_path: Path) -> None:
    """Whoever asks is told that it is in force already; what only looks changed (a comment) is no swap."""
    async with watching(tmp_path, 0.02) as watched:
        before = watched.programs.current()
        replace(watched.path, toml_of(1) + "# nothing new\n")
        watched.watch.look_now()
        told = "The reward program is the one in force already"
        await soon(lambda: bool(watched.said(told)), "an answer")
        await asyncio.sleep(0.1)
        assert before is watched.programs.current()
        assert [told] == [line["event"] for line in watched.lines]


async def test_the_built_in_program_has_no_file() -> None:
    """Asked to read it again, the process says that there is nothing to read, and goes on."""
    programs = ProgramInForce(built_in_program(), MemoryProgramArchive(), SystemClock())
    watch = ProgramWatch("", programs)
    with capture_logs() as lines:
        async with watch.watching():
            for times in (1, 2):
                watch.look_now()
                await soon(lambda times=times: len(lines) == times, "an answer")  # type: ignore[misc]  # bound now
    assert built_in_program() is programs.current()
