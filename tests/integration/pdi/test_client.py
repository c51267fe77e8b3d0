"""The client around the wire: who is let through, for how long, and who is told."""

import asyncio
import time
from typing import Any

import pytest

from loyalty_adapters.pdi import CircuitState, Outcome, PdiClient
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.loyalty_host import (
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSilence,
    LoyaltyHost,
)
from tests.integration.pdi.samples import BASKET, CALCULATE_REPLY, CALLS, IDENTIFY_REPLY, REPLIES, SESSION, order
from tests.integration.pdi.wire_server import Gate, Seen, WireServer, answering, http

OK = http(CALCULATE_REPLY)
REJECTED = http(b'{"code":"no_way"}', "422 Unprocessable")
UNAUTHORIZED = http(b'{"code":"invalid_token"}', "401 Unauthorized")
FAILED = http(b"", "500 Oops")


GRACE = 0.5
"""What a loaded machine may take beyond a budget to notice that it is over."""


async def calculate(host: LoyaltyHost, within: float = 2.0) -> int:
    return (await host.calculate(SESSION, BASKET, within=within)).earned_points


async def test_it_is_a_loyalty_host_only_while_it_is_open() -> None:
    """Before and after, a call is a mistake of ours and says so."""
    async with WireServer(answering(OK)) as server:
        host = PdiClient(server.settings(), SystemClock())
        with pytest.raises(RuntimeError, match="not open"):
            await calculate(host)
        async with host:
            assert await calculate(host) == 450
        with pytest.raises(RuntimeError, match="not open"):
            await calculate(host)
        assert len(server.seen) == 2


async def test_a_full_bulkhead_refuses_at_once_and_sends_nothing() -> None:
    """Nobody queues: with all places taken a call ends before it has begun, and the next free place is used."""
    gate = Gate(OK)
    async with WireServer(gate) as server, PdiClient(server.settings(max_in_flight=3), SystemClock()) as host:
        busy = [asyncio.create_task(calculate(host)) for _ in range(3)]
        await gate.wait_for(3)
        assert host.health().in_flight == 3
        for _ in range(100):
            with pytest.raises(HostNotSent) as unsent:
                await calculate(host)
            assert unsent.value.reason == "bulkhead_full"
        assert len(server.calls("/calculateRewards")) == 3
        gate.opened.set()
        assert await asyncio.gather(*busy) == [450, 450, 450]
        assert host.health().in_flight == 0
        assert await calculate(host) == 450


@pytest.mark.parametrize("within", [0.049, 0.0, -1.0])
async def test_a_call_without_time_for_its_answer_is_not_made(within: float) -> None:
    """Not even a token is fetched for it."""
    async with WireServer(answering(OK)) as server, PdiClient(server.settings(), SystemClock()) as host:
        with pytest.raises(HostNotSent) as unsent:
            await calculate(host, within)
        assert unsent.value.reason == "budget_too_small"
        assert server.seen == []


async def test_a_token_that_takes_all_the_time_leaves_nothing_sent() -> None:
    """The wait for a token is part of the budget; what is left after it has to be of use."""
    slow = Gate(OK)
    async with WireServer(answering(OK), slow) as server, PdiClient(server.settings(), SystemClock()) as host:
        began = time.monotonic()
        with pytest.raises(HostNotSent) as unsent:
            await calculate(host, 0.2)
        assert unsent.value.reason == "token_timed_out"
        assert 0.19 < time.monotonic() - began < 0.2 + GRACE
        assert server.calls("/calculateRewards") == []


async def test_what_a_token_leaves_of_the_budget_has_to_be_of_use() -> None:
    """The token came in time, an answer would not."""
    settings: dict[str, Any] = {"min_useful_budget": 1.9}

    async def in_a_while(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(http(b'{"access_token":"t"}'))
        await writer.drain()

    async with WireServer(answering(OK), in_a_while) as server:
        async with PdiClient(server.settings(**settings), SystemClock()) as host:
            with pytest.raises(HostNotSent) as unsent:
                await calculate(host, 2.0)
        assert unsent.value.reason == "budget_spent"
        assert server.calls("/calculateRewards") == []


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_that_does_not_come_is_not_waited_for_any_longer(name: str) -> None:
    """The outcome is unknown when the time is up, not later."""
    gate = Gate(OK)
    async with WireServer(gate) as server, PdiClient(server.settings(), SystemClock()) as host:
        began = time.monotonic()
        with pytest.raises(HostSilence) as silent:
            await CALLS[name](host, 0.2)
        assert silent.value.reason == "timed_out"
        assert 0.19 < time.monotonic() - began < 0.2 + GRACE
        assert len(server.calls(f"/{name}")) == 1


async def test_a_refused_token_is_renewed_and_the_call_repeated_once_with_its_key() -> None:
    """PDI has judged the token only; the second send is the same, and carries the new token."""
    async with WireServer(answering(UNAUTHORIZED, http(REPLIES["finalize"]))) as server:
        server.act_on_token = answering(http(b'{"access_token":"one"}'), http(b'{"access_token":"two"}'))
        async with PdiClient(server.settings(), SystemClock()) as host:
            assert (await host.finalize(order(), within=2)).earned_points == 450
        first, second = server.calls("/finalize")
        assert first.body == second.body
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == "sess_1:1"
        assert first.headers["authorization"] == "Bearer one"
        assert second.headers["authorization"] == "Bearer two"


async def test_a_fresh_token_that_is_refused_too_ends_it() -> None:
    """Two sends, one renewal; within the pause the next calls are sent once and not repeated."""
    async with WireServer(answering(UNAUTHORIZED)) as server, PdiClient(server.settings(), SystemClock()) as host:
        for _ in range(10):
            with pytest.raises(HostRefusesUs) as refused:
                await host.finalize(order(), within=2)
            assert refused.value.reason == "fresh_token_refused"
            assert 0 < refused.value.retry_after <= 5
        assert len(server.calls("/finalize")) == 11
        assert len(server.calls("/oauth/token")) == 2
        assert host.health().circuit is CircuitState.CLOSED


async def test_a_token_that_pdi_has_accepted_is_renewed_whenever_it_is_refused() -> None:
    """Revoked again and again, with calls that went well between: each time one renewal, and no call is lost."""
    async with WireServer(answering(OK)) as server, PdiClient(server.settings(), SystemClock()) as host:
        for renewals in range(5):
            assert await calculate(host) == 450
            server.act = answering(UNAUTHORIZED, OK)
            assert await calculate(host) == 450
            assert len(server.calls("/oauth/token")) == renewals + 2


async def test_refused_credentials_end_it_before_anything_is_sent() -> None:
    """The token endpoint does not know us."""
    refused_us = answering(http(b'{"error":"invalid_client"}', "401 Unauthorized"))
    async with WireServer(answering(OK), refused_us) as server:
        async with PdiClient(server.settings(), SystemClock()) as host:
            with pytest.raises(HostRefusesUs) as refused:
                await calculate(host)
        assert refused.value.reason == "credentials_refused"
        assert server.calls("/calculateRewards") == []


async def test_a_renewal_that_fails_counts_as_not_sent() -> None:
    """The first send was turned away, the token endpoint is away: nothing of the call has been judged."""
    async with WireServer(answering(UNAUTHORIZED)) as server:
        server.act_on_token = answering(http(b'{"access_token":"one"}'), FAILED)
        async with PdiClient(server.settings(), SystemClock()) as host:
            with pytest.raises(HostNotSent) as unsent:
                await host.finalize(order(), within=2)
        assert unsent.value.reason == "token_http_500"
        assert len(server.calls("/finalize")) == 1


async def test_listeners_hear_of_every_call_and_every_change() -> None:
    """Endpoint, outcome, seconds and reason for metrics; the circuit's moves for logs; nothing for a cancelled call."""
    calls: list[tuple[str, Outcome, str | None]] = []
    moves: list[tuple[str, str, str]] = []
    gate = Gate(OK)
    async with WireServer(answering(OK)) as server:
        host = PdiClient(
            server.settings(),
            SystemClock(),
            on_call=lambda name, outcome, seconds, reason: (
                calls.append((name, outcome, reason)) if 0 <= seconds < 2 else None
            ),
            on_circuit=lambda name, old, new: moves.append((name, old, new)),
        )
        async with host:
            await calculate(host)
            server.act = gate
            cancelled = asyncio.create_task(calculate(host))
            await gate.wait_for(1)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            gate.opened.set()
            server.act = answering(REJECTED)
            with pytest.raises(HostRejection):
                await host.finalize(order(), within=2)
            server.act = answering(FAILED)
            for _ in range(5):
                with pytest.raises(HostSilence):
                    await host.report(SESSION, within=2)
            with pytest.raises(HostNotSent):
                await host.report(SESSION, within=2)
    assert calls == [
        ("calculateRewards", Outcome.ACCEPTED, None),
        ("finalize", Outcome.REJECTED, "no_way"),
        *[("getSessionStatus", Outcome.SILENT, "http_500")] * 5,
        ("getSessionStatus", Outcome.NOT_SENT, "circuit_open"),
    ]
    assert moves == [("pdi", "CLOSED", "OPEN")]


async def test_every_call_carries_the_headers_of_the_moment() -> None:
    """The repeat after a refused token asks for them again: it is a span of its own."""
    spans = iter(["00-1", "00-2", "00-3"])
    async with WireServer(answering(http(IDENTIFY_REPLY), UNAUTHORIZED, http(REPLIES["finalize"]))) as server:
        host = PdiClient(server.settings(), SystemClock(), headers=lambda: {"traceparent": next(spans)})
        async with host:
            await CALLS["identify"](host, 2)
            await CALLS["finalize"](host, 2)
        sent = [seen for seen in server.seen if seen.path != "/oauth/token"]
        assert [seen.headers["traceparent"] for seen in sent] == ["00-1", "00-2", "00-3"]


async def test_health_is_unknown_before_the_first_answer() -> None:
    """No latency is made up."""
    async with WireServer(answering(OK)) as server, PdiClient(server.settings(), SystemClock()) as host:
        assert host.health().latency is None
        assert host.unavailable_for() == 0
        await calculate(host)
        latency = host.health().latency
        assert latency is not None
        assert 0 < latency < 2


async def test_errors_name_neither_customer_nor_address() -> None:
    """A reason is a short word of ours, whatever went wrong."""
    nonsense = answering(b"John Doe CUST-12345\r\n\r\n")
    async with WireServer(nonsense) as server, PdiClient(server.settings(), SystemClock()) as host:
        for name in CALLS:
            with pytest.raises(HostSilence) as silent:
                await CALLS[name](host, 2)
            assert silent.value.reason.replace("_", "").isalpha()
            assert "John" not in str(silent.value)
