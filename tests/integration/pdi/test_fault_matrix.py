"""All that the simulator can do, to every call: the documented class, in time, and one request on the wire."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import product
from typing import Any, Final

import pytest

from loyalty_adapters.pdi import CircuitState, Outcome, PdiClient, PdiSettings
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.ports.loyalty_host import HostError, HostNotJudged, HostNotSent
from tests.integration.pdi.samples import BASKET, CHANNEL, CUSTOMER, TRANSACTION, giving_back, order
from tests.pdi import Pdi

CALLS: Final = ("identify", "calculateRewards", "finalize", "return", "getSessionStatus")
BUDGET: Final = 5.0
"""Seconds for a call that is answered, or fails, of itself: enough on any machine, and none comes near it."""
PATIENCE: Final = 0.3
"""Seconds for a call that is not answered in any time."""
GRACE: Final = 0.5
"""What a loaded machine may take beyond a budget to notice that it is over."""

A, R, U, N, J, F, S = (
    Outcome.ACCEPTED,
    Outcome.REJECTED,
    Outcome.SESSION_UNKNOWN,
    Outcome.NOT_SENT,
    Outcome.NOT_JUDGED,
    Outcome.REFUSED_US,
    Outcome.SILENT,
)

MODES: Final[dict[str, tuple[Outcome, dict[str, Any]]]] = {
    "ok": (A, {}),
    "latency": (A, {"latencyMs": 50}),
    "timeout": (S, {}),
    "http_500": (S, {}),
    "http_503": (S, {}),
    "rate_limited": (J, {"retryAfterSeconds": 7}),
    "garbage": (S, {}),
    "truncated": (S, {}),
    "wrong_types": (S, {}),
    "huge": (S, {}),
    "slow_headers": (S, {}),
    "slow_body": (S, {}),
    "drop_after_commit": (S, {}),
    "late_success": (S, {"latencyMs": 1500}),
    "duplicate_reply": (A, {}),
    "reset": (S, {}),
    "reject": (R, {"code": "insufficient_points"}),
    "unauthorized": (F, {}),
    "session_lost": (U, {}),
}


ENDLESS: Final = frozenset({"timeout", "slow_headers", "slow_body", "late_success"})


class Sale:
    """A client of the simulator with one identified sale, and a record of how its calls ended."""

    def __init__(self, pdi: Pdi, client: PdiClient, ends: list[tuple[str, Outcome]]) -> None:
        self.pdi = pdi
        self.client = client
        self.ends = ends
        self.session = HostSessionId("none")

    async def call(self, name: str, within: float) -> object:
        match name:
            case "identify":
                return await self.client.identify(CHANNEL, TRANSACTION, CUSTOMER, within=within)
            case "calculateRewards":
                return await self.client.calculate(self.session, BASKET, within=within)
            case "finalize":
                return await self.client.finalize(order(self.session), within=within)
            case "return":
                return await self.client.send_return(giving_back(self.session), within=within)
            case _:
                return await self.client.report(self.session, within=within)

    async def ready_for(self, name: str) -> None:
        """There is something to return."""
        if name == "return":
            await self.client.finalize(order(self.session), within=5)

    async def end_of(self, name: str, within: float = BUDGET) -> tuple[Outcome, HostError | None, float]:
        """How a call ends, with what, and after how many seconds."""
        began = time.monotonic()
        error: HostError | None = None
        try:
            await self.call(name, within)
        except HostError as raised:
            error = raised
        endpoint, outcome = self.ends[-1]
        assert endpoint == name
        return outcome, error, time.monotonic() - began


@pytest.fixture
async def sale(pdi: Pdi) -> AsyncIterator[Sale]:
    settings = PdiSettings(base_url=pdi.url, client_id=pdi.client_id, client_secret=pdi.client_secret)
    ends: list[tuple[str, Outcome]] = []
    client = PdiClient(settings, SystemClock(), on_call=lambda name, outcome, *_: ends.append((name, outcome)))
    async with client:
        made = Sale(pdi, client, ends)
        made.session = (await client.identify(CHANNEL, TRANSACTION, CUSTOMER, within=5)).session
        yield made
        await pdi.faults()


@pytest.mark.parametrize(
    ("mode", "name"),
    # identify names no session that could be lost
    [pair for pair in product(MODES, CALLS) if pair != ("session_lost", "identify")],
)
async def test_each_fault_has_its_class_at_each_call(sale: Sale, mode: str, name: str) -> None:
    """The class of the table, within the budget, with one request on the wire (two where a token was renewed)."""
    expected, options = MODES[mode]
    await sale.ready_for(name)
    before = await sale.pdi.calls(name)
    await sale.pdi.faults(mode, endpoints=[name], **options)
    within = PATIENCE if mode in ENDLESS else BUDGET
    outcome, error, took = await sale.end_of(name, within)
    assert expected is outcome
    assert took < within + GRACE
    assert await sale.pdi.calls(name) - before == (2 if mode == "unauthorized" else 1)
    assert mode == "ok" or await sale.pdi.fired(mode) > 0
    if isinstance(error, HostNotJudged):
        assert error.retry_after == 7
    await sale.pdi.faults()
    # A client that had kept anything of the broken exchange would trip over it now.
    assert (await sale.end_of(name))[0] is A


@pytest.mark.parametrize("name", CALLS)
async def test_without_a_token_endpoint_nothing_is_sent(sale: Sale, name: str) -> None:
    """The token is refused and no other can be had: the call counts as not sent, and is not repeated."""
    await sale.pdi.revoke_tokens()
    await sale.pdi.faults("token_down")
    before = await sale.pdi.calls(name)
    outcome, _, took = await sale.end_of(name)
    assert outcome is N
    assert took < BUDGET
    assert await sale.pdi.calls(name) - before == 1
    assert await sale.pdi.fired("token_down") == 1


@pytest.mark.parametrize("name", CALLS)
async def test_nothing_reaches_pdi_once_its_circuit_is_open(sale: Sale, name: str) -> None:
    """Fifty calls of every kind after five failures: the simulator has not heard of one of them."""
    await sale.pdi.faults("http_503")
    for _ in range(5):
        assert (await sale.end_of(name))[0] is S
    assert sale.client.health().circuit is CircuitState.OPEN
    await sale.pdi.faults()
    before = await sale.pdi.stats()
    for other in CALLS:
        for _ in range(50):
            outcome, _, took = await sale.end_of(other)
            assert outcome is N
            assert took < GRACE
    assert before == await sale.pdi.stats()


async def test_a_commit_whose_answer_was_cut_is_found_under_its_key(sale: Sale) -> None:
    """Unknown, then PDI's own books say what happened, and the repeat with the same key books nothing more."""
    await sale.pdi.faults("drop_after_commit", endpoints=["finalize"], times=1)
    assert (await sale.end_of("finalize"))[0] is S
    report = await sale.client.report(sale.session, within=3)
    assert [(commit.key, commit.points) for commit in report.commits] == [("sess_1:1", 450)]
    assert (await sale.end_of("finalize"))[0] is A
    assert len(await sale.pdi.ledger()) == 1


async def test_a_hundred_cold_calls_fetch_one_token(pdi: Pdi) -> None:
    """The burst after a start is one token request and a hundred calls."""
    settings = PdiSettings(base_url=pdi.url, client_id=pdi.client_id, client_secret=pdi.client_secret)
    async with PdiClient(settings, SystemClock()) as client:
        answers = await asyncio.gather(*(client.identify(CHANNEL, TRANSACTION, CUSTOMER, within=5) for _ in range(100)))
    assert len({answer.session for answer in answers}) == 1
    assert await pdi.calls("token") == 1
    assert await pdi.calls("identify") == 100


async def test_fifty_calls_with_a_revoked_token_renew_it_once(sale: Sale) -> None:
    """Each is sent twice, all with the one new token, and all succeed."""
    await sale.pdi.revoke_tokens()
    tokens = await sale.pdi.calls("token")
    answers = await asyncio.gather(*(sale.client.calculate(sale.session, BASKET, within=5) for _ in range(50)))
    assert {answer.earned_points for answer in answers} == {450}
    assert await sale.pdi.calls("token") - tokens == 1
    assert await sale.pdi.calls("calculateRewards") <= 100


async def test_wrong_credentials_are_refused_and_send_nothing(pdi: Pdi) -> None:
    """The simulator does not know this secret."""
    settings = PdiSettings(base_url=pdi.url, client_id=pdi.client_id, client_secret="another")
    ends: list[tuple[str, Outcome]] = []
    client = PdiClient(settings, SystemClock(), on_call=lambda name, outcome, *_: ends.append((name, outcome)))
    async with client:
        wrong = Sale(pdi, client, ends)
        for name in CALLS:
            assert (await wrong.end_of(name))[0] is F
            assert await pdi.calls(name) == 0
    assert await pdi.calls("token") == 1


async def test_a_killed_pdi_is_not_sent_and_a_restarted_one_is_found_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Refused connections while it is away, on a pool of connections that died with it; then everything works."""
    async with Pdi(tmp_path_factory.mktemp("killed"), options=["--no-fsync"]) as pdi:
        settings = PdiSettings(base_url=pdi.url, client_id=pdi.client_id, client_secret=pdi.client_secret)
        async with PdiClient(settings, SystemClock()) as client:
            await client.identify(CHANNEL, TRANSACTION, CUSTOMER, within=5)
            await pdi.kill()
            for _ in range(3):
                with pytest.raises(HostNotSent) as unsent:
                    await client.identify(CHANNEL, TRANSACTION, CUSTOMER, within=1)
                assert unsent.value.reason == "connection_refused"
            await pdi.start()
            # The simulator forgets its tokens when it ends, so this also renews ours.
            assert (await client.identify(CHANNEL, TRANSACTION, CUSTOMER, within=5)).member.tier == "Gold"


async def test_a_paused_pdi_is_unknown_in_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The kernel takes the request, nobody answers: it may have been read, and the caller is not kept waiting."""
    async with Pdi(tmp_path_factory.mktemp("paused"), options=["--no-fsync"]) as pdi:
        settings = PdiSettings(base_url=pdi.url, client_id=pdi.client_id, client_secret=pdi.client_secret)
        ends: list[tuple[str, Outcome]] = []
        client = PdiClient(settings, SystemClock(), on_call=lambda name, outcome, *_: ends.append((name, outcome)))
        async with client:
            sale = Sale(pdi, client, ends)
            assert (await sale.end_of("identify"))[0] is A
            pdi.pause()
            outcome, _, took = await sale.end_of("identify", PATIENCE)
            pdi.resume()
            assert outcome is S
            assert PATIENCE - 0.01 < took < PATIENCE + GRACE
