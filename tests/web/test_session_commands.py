"""What an operator sees of sessions and decides about them, by the commands themselves, on a real database."""

import asyncio
import getpass
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.identifiers import format_session_id
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.ports.unit_of_work import CustomerSnapshot, SessionChange, UnitOfWork
from loyalty_web.cli import main
from tests.contracts.sales import changed, loaded, new_session, owed, settled, store_now, stored, with_return

MINUTE = timedelta(minutes=1)
UNKNOWN = "sess_00000000000000000000000000000000"

Run = Callable[..., Result]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresSessions]:
    async with Connections(PostgresSettings(url=database_url)) as connections:
        yield PostgresSessions(connections, RowAddresses())


@pytest.fixture
def run(database_url: str) -> Run:
    """`loyalty ...` with this database, on a wide terminal."""

    def run(*arguments: str) -> Result:
        environment = {"DATABASE_URL": database_url, "COLUMNS": "240"}
        result = CliRunner().invoke(main, arguments, env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


async def parked_sale(store: PostgresSessions) -> Session:
    now = await store_now(store)
    tried: dict[str, Any] = {"attempts": 7, "unanswered": 1, "last_error": "timeout"}
    return await stored(store, owed(begun_at=now - 2 * MINUTE, next_attempt_at=None, parked_at=now, **tried))


async def parked_return(store: PostgresSessions) -> Session:
    now = await store_now(store)
    sale = await stored(store, owed(begun_at=now, next_attempt_at=now))
    sale = await changed(store, sale, lambda session: settled(session, now), Cause.HOST_ACCEPTED)
    return await changed(
        store,
        sale,
        lambda session: with_return(session, "RET-1", next_attempt_at=None, parked_at=now),
        Cause.RETURN_INTENDED,
    )


async def in_thread(run: Run, *arguments: str) -> Result:
    """The command starts a loop of its own, so it needs a thread of its own."""
    return await asyncio.to_thread(run, *arguments)


async def test_nothing_is_owed(run: Run) -> None:
    """An empty list says so in words, or in JSON."""
    assert "Nothing is owed to PDI.\n" == (await in_thread(run, "sessions", "list")).stdout
    assert "Nothing is parked.\n" == (await in_thread(run, "sessions", "list", "--stuck")).stdout
    assert [] == json.loads((await in_thread(run, "sessions", "list", "--json")).stdout)


async def test_what_is_owed_is_listed(store: PostgresSessions, run: Run) -> None:
    """What is parked first, then what the workers have; sales and returns; a limit; nothing that is settled."""
    now = await store_now(store)
    sale, goods = await parked_sale(store), await parked_return(store)
    waiting = await stored(store, owed(begun_at=now, next_attempt_at=now + MINUTE))
    await stored(store, new_session())
    shown = json.loads((await in_thread(run, "sessions", "list", "--json")).stdout)
    assert [format_session_id(it.id) for it in (sale, goods, waiting)] == [it["sessionId"] for it in shown]
    assert [(None, "timeout", 7), ("RET-1", None, 0), (None, None, 0)] == [
        (it["owed"]["returnId"], it["owed"]["lastError"], it["owed"]["attempts"]) for it in shown
    ]
    stuck = (await in_thread(run, "sessions", "list", "--stuck")).stdout
    for word in (format_session_id(sale.id), "return RET-1", "the sale", "timeout", "parked 20"):
        assert word in stuck
    assert format_session_id(waiting.id) not in stuck
    one = json.loads((await in_thread(run, "sessions", "list", "--limit", "1", "--json")).stdout)
    assert [format_session_id(sale.id)] == [it["sessionId"] for it in one]


async def test_a_session_is_shown_with_all_that_happened(store: PostgresSessions, run: Run) -> None:
    """By its id, for people and for programs; the customer's name is nowhere in it."""
    goods = await parked_return(store)
    name = format_session_id(goods.id)
    (shown,) = json.loads((await in_thread(run, "sessions", "show", name, "--json")).stdout)
    assert (name, "finalized", 450, "RET-1") == (
        shown["sessionId"], shown["status"], shown["earnedPoints"], shown["owed"]["returnId"]
    )  # fmt: skip
    assert [("RET-1", "accepted")] == [(it["returnId"], it["status"]) for it in shown["returns"]]
    assert [(None, "finalizing", "identified"), ("finalizing", "finalized", "host_accepted"),
            ("finalized", "finalized", "return_intended")] == [
        (it["from"], it["to"], it["cause"]) for it in shown["timeline"]
    ]  # fmt: skip
    page = (await in_thread(run, "sessions", "show", name)).stdout
    for word in (name, goods.transaction, goods.customer, "Timeline", "Returns", "host_accepted", "return RET-1"):
        assert word in page
    assert "Ada" not in page
    assert "Ada" not in json.dumps(shown)


async def test_sessions_are_found_by_their_transaction(store: PostgresSessions, run: Run) -> None:
    """Every one that ever had it, the newest first."""
    first = await stored(store, new_session())
    await changed(store, first, lambda it: it.cancel(it.created_at), Cause.CANCELLED)
    second = await stored(
        store, new_session(transaction=first.transaction, created_at=first.created_at + timedelta(seconds=1))
    )
    found = await in_thread(run, "sessions", "show", "--transaction", first.channel, first.transaction, "--json")
    assert [(format_session_id(second.id), "active"), (format_session_id(first.id), "cancelled")] == [
        (it["sessionId"], it["status"]) for it in json.loads(found.stdout)
    ]


async def test_a_parked_sale_is_tried_again(store: PostgresSessions, run: Run) -> None:
    """It is with the workers at once; the timeline names the user who ran the command, and the reason."""
    sale = await parked_sale(store)
    name = format_session_id(sale.id)
    done = await in_thread(run, "sessions", "retry", name, "--reason", "PDI is back")
    assert (0, f"{name} is with the workers again.\n") == (done.exit_code, done.stdout)
    after = (await loaded(store, sale)).session
    assert after.delivery is not None
    assert (None, True) == (after.delivery.parked_at, after.delivery.next_attempt_at is not None)
    (shown,) = json.loads((await in_thread(run, "sessions", "show", name, "--json")).stdout)
    entry = shown["timeline"][-1]
    assert ("retried_by_operator", f"{getpass.getuser()}: PDI is back") == (entry["cause"], entry["detail"])


async def test_what_is_parked_is_given_up(store: PostgresSessions, run: Run) -> None:
    """A sale fails, a return is rejected, each with the reason given."""
    sale, goods = await parked_sale(store), await parked_return(store)
    for session, status in ((sale, "failed"), (goods, "finalized")):
        name = format_session_id(session.id)
        done = await in_thread(
            run, "sessions", "abandon", name, "--reason", "never reached [/PDI]", "--operator", "grace"
        )
        assert (0, f"{name} is {status}; what was parked is given up.\n") == (done.exit_code, done.stdout)
    failed, kept = (await loaded(store, sale)).session, (await loaded(store, goods)).session
    assert (SessionStatus.FAILED, "never reached [/PDI]") == (failed.status, failed.failure)
    assert ("rejected", "never reached [/PDI]") == (kept.returns[0].status, kept.returns[0].failure)
    (shown,) = json.loads((await in_thread(run, "sessions", "show", format_session_id(sale.id), "--json")).stdout)
    assert "grace: never reached [/PDI]" == shown["timeline"][-1]["detail"]
    assert "grace: never reached [/PDI]" in (await in_thread(run, "sessions", "show", shown["sessionId"])).stdout


async def test_what_cannot_be_done_is_said_plainly(store: PostgresSessions, run: Run) -> None:
    """One sentence and an exit code; never a traceback."""
    session = format_session_id((await stored(store, new_session())).id)
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("show", UNKNOWN), 1, "There is no such session."),
        (("show", "--transaction", "POS-1", "T-none"), 1, "There is no such session."),
        (("retry", UNKNOWN, "--reason", "x"), 1, "There is no such session."),
        (("retry", session, "--reason", "x"), 1, "not parked"),
        (("abandon", session, "--reason", "x"), 1, "not parked"),
        (("abandon", session, "--reason", " "), 1, "reason must be"),
        (("retry", session), 2, "--reason"),
        (("retry", "T-1", "--reason", "x"), 2, "sess_"),
        (("show", "T-1"), 2, "sess_"),
        (("show",), 2, "--transaction CHANNEL TXN"),
        (("show", session, "--transaction", "POS-1", "T-1"), 2, "--transaction CHANNEL TXN"),
    ]
    for arguments, code, sentence in cases:
        ended = await in_thread(run, "sessions", *arguments)
        assert (code, True) == (ended.exit_code, sentence in ended.stderr), (arguments, ended.stderr)
        assert "" == ended.stdout


async def test_a_customer_is_forgotten(store: PostgresSessions, run: Run) -> None:
    """The name goes, the sessions stay; a second time is no error, and a bad id is."""
    session = new_session()
    change = SessionChange(before=None, after=session, cause=Cause.IDENTIFIED)
    snapshot = CustomerSnapshot(member=Member(session.customer, "Gold", "Ada", 7), at=session.created_at)
    await store.commit(UnitOfWork(changes=(change,), snapshot=snapshot))
    for _ in range(2):
        done = await in_thread(run, "customers", "forget", session.customer)
        assert (0, "Forgotten; sessions of this customer, now without a name: 1.\n") == (done.exit_code, done.stdout)
    assert (await loaded(store, session)).session.opening.name is None
    assert await store.find_snapshot(session.customer) is None
    refused = await in_thread(run, "customers", "forget", "not an id")
    assert (1, True) == (refused.exit_code, "CUSTOMER_ID" in refused.stderr)


def test_the_database_is_named_by_the_environment() -> None:
    """Without it the command says what is missing."""
    only: dict[str, Any] = dict.fromkeys((name for name in os.environ if name.startswith("DATABASE_URL")), None)
    ended = CliRunner().invoke(main, ("sessions", "list"), env={**only, "DATABASE_URL": None})
    assert (2, True) == (ended.exit_code, "DATABASE_URL" in ended.stderr)
