"""Each safeguard against PDI's and our own worst days, seen where it acts: on the wire and in the database."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
import pytest

from tests.faults.backlog import queue_sessions
from tests.faults.stack import Stack, until
from tests.faults.subject import replica_in_touch
from tests.faults.till import Heard, Till
from tests.faults.times import TIMES

_AT_ONCE: Final = 0.25
"""Seconds: far less than any of PDI's times, and enough for a machine that is busy elsewhere."""
_NEVER_OPENS: Final = {"PDI_BREAKER_FAILURES": "1000", "PDI_BREAKER_WINDOW_CALLS": "10000"}
_CLAIMED_UNTIL: Final[LiteralString] = "SELECT claimed_until FROM sessions WHERE transaction_id = %s"


@pytest.fixture
async def till(stack: Stack) -> AsyncIterator[Till]:
    """A POS whose first replica is in touch with PDI."""
    async with stack.till() as made:
        yield made


async def _sold(till: Till, transaction: str, customer: str, at: int | None = None) -> Heard:
    """A whole sale; the answer of its finalize."""
    identified = await till.identify(transaction, customer, at=at)
    assert 201 == identified.status, identified
    session = identified.json["sessionId"]
    await till.calculate(session, 20.0, at=at)
    return await till.finalize(session, transaction, 20.0, at=at)


class TestWorkers:
    async def test_no_session_is_sent_by_two_workers(self, stack: Stack) -> None:
        """Two workers share a backlog: both work on it, and every key reaches PDI once."""
        for worker in stack.workers:
            worker.pause()
        await queue_sessions(stack, 300, customers=300, prefix="SHARED")
        await stack.pdi.reset()
        await stack.pdi.faults("latency", latencyMs=5)  # long enough for both to be at it at the same time
        spoken = [worker.log.stat().st_size for worker in stack.workers]
        for worker in stack.workers:
            worker.resume()
        await stack.drained(60)
        stats = await stack.pdi.stats(recent=10_000)
        keys = Counter(call["idempotencyKey"] for call in stats["recent"] if call["endpoint"] == "finalize")
        assert (300, {1}) == (len(keys), set(keys.values()))
        assert 300 == len(await stack.pdi.ledger())
        shares = [
            _deliveries(worker.log.read_bytes()[start:]) for worker, start in zip(stack.workers, spoken, strict=True)
        ]
        assert len(shares) >= 2
        assert min(shares) > 0, shares
        await stack.check([])

    async def test_a_killed_worker_keeps_its_session_for_its_lease(self, stack: Stack, till: Till) -> None:
        """Nobody sends before the lease is over; then PDI is asked what came of it, before anything is sent again."""
        await replica_in_touch(stack, till)
        await stack.pdi.put_faults([{"mode": "drop_after_commit", "endpoints": ["finalize"], "times": 1}])
        victim, *others = stack.workers
        for worker in stack.workers:
            worker.pause()
        assert 202 == (await _sold(till, "LEASED-1", "LOAD-1")).status
        await stack.pdi.faults("timeout", endpoints=["getSessionStatus"])
        victim.resume()

        async def at_work() -> bool:
            return bool((await stack.pdi.stats())["inFlight"].get("getSessionStatus"))

        await until(at_work, "the worker asks PDI", 10)
        await victim.kill()
        for worker in others:
            worker.resume()
        await stack.pdi.put_faults([])
        asked = (await stack.pdi.stats())["calls"]
        lease = await _claimed_until(stack.database_url, "LEASED-1")
        try:
            await stack.drained(30)
        finally:
            victim.start()
        recent = (await stack.pdi.stats(recent=10_000))["recent"]
        later = recent[sum(asked.values()) :]
        calls = [call for call in later if call["endpoint"] in {"getSessionStatus", "finalize"}]
        # What PDI had booked was found by asking, more than once on a slow machine: nothing had to be sent again.
        assert {"getSessionStatus"} == {call["endpoint"] for call in calls}
        assert datetime.fromisoformat(calls[0]["at"]) >= lease
        assert 1 == len(await stack.pdi.ledger(transactionId="LEASED-1"))
        await stack.check([], ["LEASED-1"])


class TestPdiIsSparedAndNobodyWaits:
    async def test_one_probe_at_a_time(self, stack: Stack, till: Till) -> None:
        """Fifty calls after the circuit's pause: one of them reaches PDI, the others are answered at once."""
        replica = await replica_in_touch(stack, till)
        for worker in stack.workers:
            worker.pause()
        await stack.pdi.faults("timeout")
        await asyncio.gather(*(till.identify(f"OPENS-{number}", "LOAD-1", at=replica) for number in range(5)))
        opened = time.monotonic()
        before = await stack.pdi.calls("identify")
        early = await till.identify("EARLY", "LOAD-1", at=replica)
        assert early.took < _AT_ONCE
        assert before == await stack.pdi.calls("identify")
        await asyncio.sleep(max(0.0, opened + TIMES.breaker_open + 0.1 - time.monotonic()))
        heard = await asyncio.gather(
            *(till.identify(f"PROBED-{number}", f"LOAD-{number}", at=replica) for number in range(50))
        )
        assert 1 == await stack.pdi.calls("identify") - before
        assert {(201, True)} == {(answer.status, answer.json["provisional"]) for answer in heard}
        assert 1 == sum(answer.took >= TIMES.identify * 0.9 for answer in heard)

    async def test_a_full_bulkhead_turns_away_at_once(self, stack: Stack) -> None:
        """Two calls are at PDI; the others get their provisional answer, or 202, without waiting for a place."""
        settings = {"PDI_MAX_IN_FLIGHT": "2", **_NEVER_OPENS}
        for worker in stack.workers:
            worker.pause()
        async with stack.replica_with(**settings) as till:
            sessions = [(await till.identify(f"FULL-{number}", f"LOAD-{number}")).json for number in range(30)]
            await stack.pdi.faults("timeout")
            before = await stack.pdi.calls("finalize")
            answers = await asyncio.gather(
                *(
                    till.finalize(session["sessionId"], f"FULL-{number}", 20.0)
                    for number, session in enumerate(sessions)
                )
            )
            assert {202} == {answer.status for answer in answers}
            assert 2 == sum(answer.took >= TIMES.finalize * 0.9 for answer in answers)
            assert sorted(answer.took for answer in answers)[-3] < TIMES.finalize / 2
            assert 2 == await stack.pdi.calls("finalize") - before
            await stack.pdi.put_faults([])
            for worker in stack.workers:
                worker.resume()
            await stack.drained(60)
        await stack.check([])

    async def test_nothing_is_sent_whose_answer_would_come_too_late(self, stack: Stack) -> None:
        """The token takes nearly all of a call's time: the call is not made, and its POS has its answer in time."""
        async with stack.replica_with(**_NEVER_OPENS) as till:
            assert 201 == (await till.identify("WARM", "LOAD-1")).status
            await stack.pdi.revoke_tokens()
            late = int(1000 * TIMES.identify) - 30
            await stack.pdi.faults("latency", endpoints=["token"], latencyMs=late)
            before = (await stack.pdi.stats())["statuses"]["identify"]
            heard = await till.identify("TOO-LATE", "LOAD-2")
            after = (await stack.pdi.stats())["statuses"]["identify"]
            assert 1 == await stack.pdi.fired("latency")
            assert (201, True) == (heard.status, heard.json["provisional"])
            assert heard.took < TIMES.identify + TIMES.slack
            # It was made once, with the token that was refused, and not again with the one that came too late.
            assert {"401": 1} == Counter(after) - Counter(before)


class TestOutcomesComeFirst:
    async def test_outcomes_commit_while_new_work_has_no_connection(self, stack: Stack) -> None:
        """Every connection for new work hangs: what PDI was asked before is booked, what is new is turned away soon."""
        settings = {"DATABASE_CONNECTIONS": "2", "DATABASE_OUTCOME_CONNECTIONS": "1", **_NEVER_OPENS}
        async with stack.replica_with(**settings) as till:
            assert 201 == (await till.identify("KNOWN", "LOAD-2")).status
            session = (await till.identify("OUTCOME", "LOAD-1")).json["sessionId"]
            await stack.pdi.faults("latency", endpoints=["finalize"], latencyMs=400)
            async with await psycopg.AsyncConnection.connect(stack.database_url) as blocker:
                finalizing = asyncio.create_task(till.finalize(session, "OUTCOME", 20.0))

                async def sent() -> bool:
                    return bool((await stack.pdi.stats())["inFlight"].get("finalize"))

                await until(sent, "the sale is at PDI", 5)
                # Each opening writes what is known of its customer; of this one nobody may, for now.
                locked = await blocker.execute("SELECT FROM customer_snapshots WHERE customer_id = 'LOAD-2' FOR UPDATE")
                assert 1 == locked.rowcount
                stuck = [asyncio.create_task(till.identify(f"STUCK-{number}", "LOAD-2")) for number in range(20)]
                booked = await finalizing
                assert not all(task.done() for task in stuck)
                assert (200, "finalized") == (booked.status, booked.json["status"])
                turned_away = [heard for heard in await asyncio.gather(*stuck) if heard.code == "overloaded"]
            assert len(turned_away) > 0
            for heard in turned_away:
                assert 503 == heard.status
                assert int(heard.headers["Retry-After"]) >= 1
            assert min(heard.took for heard in turned_away) < 1.0
        await stack.check([], ["OUTCOME"])


def _deliveries(log: bytes) -> int:
    """Finalizes that a worker has sent, by its own log: a line for each delivery tells what PDI made of it."""
    return sum(b'"pdiOutcome":"accepted"' in line for line in log.splitlines())


async def _claimed_until(database_url: str, transaction: str) -> datetime:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        found: Any = await (await connection.execute(_CLAIMED_UNTIL, [transaction])).fetchone()
    claimed: datetime = found[0]
    return claimed
