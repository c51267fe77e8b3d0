"""The books survive whatever ends the process."""

import asyncio
import errno
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loyalty_adapters.pdi_simulator.journal import Journal, JournalError
from loyalty_adapters.pdi_simulator.records import SessionDropped
from tests.integration.pdi_simulator.caller import Caller
from tests.pdi import Pdi

JOURNAL = "journal.jsonl"


async def sell(caller: Caller, transaction: str) -> str:
    """One sale; the finalize reply as text."""
    session_id = await caller.session(transaction, "LOAD-0")
    return (await caller.finalize(session_id, transaction, f"{transaction}:1")).text


@pytest.mark.parametrize("options", [(), ("--no-fsync",)])
async def test_kill_right_after_the_reply(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Killed the moment a reply is in, ten times over: every answered commit is there, with its answer of record."""
    answers: dict[str, str] = {}
    async with Pdi(tmp_path, options=options) as pdi:
        for life in range(10):
            async with Caller(pdi) as caller:
                answers[f"T{life}"] = await sell(caller, f"T{life}")
            await pdi.restart()
        async with Caller(pdi) as caller:
            assert answers == {transaction: await sell(caller, transaction) for transaction in answers}
        assert list(answers) == [entry["transactionId"] for entry in await pdi.ledger()]
        assert 300 * len(answers) == (await pdi.customer("LOAD-0"))["points"]


async def test_kill_under_load(tmp_path: Path) -> None:
    """Killed in the midst of many calls: what was answered is booked once; what was not, at most once."""
    async with Pdi(tmp_path) as pdi, Caller(pdi) as caller:
        answered: dict[str, str] = {}
        busy = asyncio.Event()

        async def shop(till: int) -> None:
            for number in range(1000):
                transaction = f"T{till}-{number}"
                answered[transaction] = await sell(caller, transaction)
                if len(answered) >= 200:
                    busy.set()

        tills = [asyncio.create_task(shop(till)) for till in range(16)]
        await asyncio.wait_for(busy.wait(), 20)
        await pdi.kill()
        ends = await asyncio.gather(*tills, return_exceptions=True)
        assert all(isinstance(end, aiohttp.ClientError | OSError) for end in ends), ends
        await pdi.start()
        booked = [entry["transactionId"] for entry in await pdi.ledger()]
        assert len(booked) == len(set(booked))
        assert set(answered) <= set(booked)
        assert len(booked) <= len(answered) + len(tills)


async def test_sessions_and_accounts_survive(tmp_path: Path) -> None:
    """Open sessions, forgotten and expired ones, changed accounts and returns are as they were."""
    async with Pdi(tmp_path) as pdi:
        async with Caller(pdi) as caller:
            kept, lost, old = [await caller.session(f"T{number}", "LOAD-0") for number in range(3)]
            await pdi.drop_sessions("forget", lost)
            await pdi.drop_sessions("expire", old)
            await pdi.put_customer("NEW-1", name="Nora New", tier="Silver", points=40)
            await caller.finalize(kept, "T0", "k:1", redeemPoints=0)
            returned = await caller.give_back(kept, 100, "r:1")
            before = await state(pdi, caller, (kept, lost, old))
        await pdi.restart()
        async with Caller(pdi) as caller:
            assert before == await state(pdi, caller, (kept, lost, old))
            assert returned.text == (await caller.give_back(kept, 100, "r:1")).text
            assert kept == await caller.session("T0", "LOAD-0")


async def state(pdi: Pdi, caller: Caller, sessions: tuple[str, ...]) -> list[Any]:
    """All that PDI says about itself."""
    statuses = [(await caller.status(session_id)).text for session_id in sessions]
    return [statuses, await pdi.ledger(), await pdi.control("GET", "/_sim/customers")]


class TestDamage:
    @pytest.fixture
    async def folder(self, tmp_path: Path) -> Path:
        """A folder with two sales in the books, nobody running."""
        async with Pdi(tmp_path) as pdi, Caller(pdi) as caller:
            await sell(caller, "T1")
            await sell(caller, "T2")
        return tmp_path

    @pytest.mark.parametrize("lost", [1, 20])
    async def test_a_torn_tail_is_cut_off(self, folder: Path, lost: int) -> None:
        """Half a last batch, as a power cut leaves it, costs that batch, is said, and is mended for good."""
        journal = folder / JOURNAL
        data = journal.read_bytes()
        journal.write_bytes(data[:-lost])
        async with Pdi(folder) as pdi, Caller(pdi) as caller:
            assert [entry["transactionId"] for entry in await pdi.ledger()] == ["T1"]
            assert "cut off a torn batch" in (folder / "stderr.log").read_text()
            await sell(caller, "T2")
            await pdi.restart()
            assert [entry["transactionId"] for entry in await pdi.ledger()] == ["T1", "T2"]

    async def test_damage_before_the_end_stops_the_start(self, folder: Path) -> None:
        """A flipped bit among sound records is not guessed about."""
        journal = folder / JOURNAL
        data = bytearray(journal.read_bytes())
        data[40] ^= 1
        journal.write_bytes(data)
        with pytest.raises(RuntimeError, match=r"ended with 1: .*damaged at byte 0"):
            await Pdi(folder).start()
        assert bytes(data) == journal.read_bytes()

    async def test_records_are_readable_by_people(self, folder: Path) -> None:
        """A line is a checksum and a JSON array of records."""
        lines = (folder / JOURNAL).read_bytes().splitlines()
        records = [record for line in lines for record in json.loads(line[9:])]
        assert [record[0] for record in records] == ["open", "fin", "open", "fin"]


@pytest.mark.parametrize("rules", [[], [{"mode": "ok"}]], ids=["undisturbed", "through a fault"])
async def test_a_full_disk_ends_the_process_without_a_reply(tmp_path: Path, rules: list[dict[str, str]]) -> None:
    """Where the ledger cannot be written nobody is told that it was, and the process says why it ends."""
    async with Pdi(tmp_path, file_size_limit=2_000) as pdi, Caller(pdi) as caller:
        answered = []
        await pdi.put_faults(rules)
        with pytest.raises(aiohttp.ServerDisconnectedError):  # noqa: PT012 - whichever call meets the full disk
            for number in range(100):
                await sell(caller, f"T{number}")
                answered.append(f"T{number}")
        assert answered
        assert await pdi.ended() == 1
        assert "cannot be written" in (tmp_path / "stderr.log").read_text()
        pdi.file_size_limit = None
        await pdi.start()
        assert answered == [entry["transactionId"] for entry in await pdi.ledger()]


async def test_synced_before_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one turn of the loop books is one write and one sync, and only then is anybody told, in order."""
    happened: list[str] = []
    real_write, real_sync = os.write, os.fdatasync

    def write(fd: int, data: bytes) -> int:
        happened.append("write")
        return real_write(fd, data)

    def sync(fd: int) -> None:
        happened.append("sync")
        real_sync(fd)

    journal = Journal(tmp_path / JOURNAL, fsync=True, on_failure=lambda error: happened.append(str(error)))
    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(os, "fdatasync", sync)
    journal.when_durable(partial(happened.append, "nothing to wait for"))
    for number in range(2):
        journal.append(SessionDropped("expire", f"S{number}"))
        journal.when_durable(partial(happened.append, f"told {number}"))
    happened.append("end of turn")
    await asyncio.sleep(0)
    assert happened == ["nothing to wait for", "end of turn", "write", "sync", "told 0", "told 1"]
    assert [SessionDropped("expire", "S0"), SessionDropped("expire", "S1")] == list(journal.read())
    journal.close()


async def test_a_failed_sync_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told anything after it, not even by a later sync that works."""
    told: list[str] = []
    journal = Journal(tmp_path / JOURNAL, fsync=True, on_failure=lambda error: told.append(str(error)))

    def fail(_fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        journal.append(SessionDropped("expire", "S0"))
        journal.when_durable(lambda: told.append("told"))
        await asyncio.sleep(0)
    with pytest.raises(JournalError, match="failed earlier"):
        journal.append(SessionDropped("expire", "S1"))
    journal.when_durable(lambda: told.append("told"))
    await asyncio.sleep(0)
    assert told == [f"{tmp_path / JOURNAL} cannot be written: input/output error."]
    journal.close()
