"""The client with its circuit: what opens it, what may pass, and what is never sent."""

import asyncio

import pytest

from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.pdi import CircuitSettings, CircuitState, PdiClient
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.loyalty_host import HostNotSent, HostSilence, LoyaltyHost
from tests.integration.pdi.samples import BASKET, CALCULATE_REPLY, SESSION
from tests.integration.pdi.wire_server import Gate, Seen, WireServer, answering, http

OK = http(CALCULATE_REPLY)
REJECTED = http(b'{"code":"no_way"}', "422 Unprocessable")
UNAUTHORIZED = http(b'{"code":"invalid_token"}', "401 Unauthorized")
FAILED = http(b"", "500 Oops")


async def calculate(host: LoyaltyHost, within: float = 2.0) -> int:
    return (await host.calculate(SESSION, BASKET, within=within)).earned_points


async def test_an_open_circuit_lets_nothing_through() -> None:
    """Five failures, then no call reaches PDI; the time to the probe is told, and a good probe ends it."""
    clock = ManualClock()
    async with WireServer(answering(FAILED)) as server, PdiClient(server.settings(), clock) as host:
        for _ in range(5):
            with pytest.raises(HostSilence):
                await calculate(host)
        for _ in range(100):
            with pytest.raises(HostNotSent) as unsent:
                await calculate(host)
            assert unsent.value.reason == "circuit_open"
            assert unsent.value.retry_after == pytest.approx(10)
        assert host.unavailable_for() == pytest.approx(10)
        assert len(server.calls("/calculateRewards")) == 5
        server.act = answering(OK)
        clock.advance(10)
        assert host.health().circuit is CircuitState.HALF_OPEN
        assert host.unavailable_for() == 0
        assert await calculate(host) == 450
        assert host.health().circuit is CircuitState.CLOSED


async def test_fifty_calls_at_a_half_open_circuit_make_one_probe() -> None:
    """While the probe is out, the rest are told to wait; nothing of theirs reaches PDI."""
    clock, gate = ManualClock(), Gate(OK)
    async with WireServer(answering(FAILED)) as server, PdiClient(server.settings(), clock) as host:
        for _ in range(5):
            with pytest.raises(HostSilence):
                await calculate(host)
        clock.advance(10)
        server.act = gate
        calls = [asyncio.create_task(calculate(host)) for _ in range(50)]
        await gate.wait_for(1)
        assert host.unavailable_for() > 0
        gate.opened.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert len([end for end in ends if end == 450]) == 1
        assert len([end for end in ends if isinstance(end, HostNotSent)]) == 49
        assert len(server.calls("/calculateRewards")) == 6


async def test_a_cancelled_probe_neither_closes_nor_blocks() -> None:
    """The caller of the probe goes away: the circuit stays open for as long as before, then probes again."""
    clock, gate = ManualClock(), Gate(OK)
    async with WireServer(answering(FAILED)) as server, PdiClient(server.settings(), clock) as host:
        for _ in range(5):
            with pytest.raises(HostSilence):
                await calculate(host)
        clock.advance(10)
        server.act = gate
        probe = asyncio.create_task(calculate(host))
        await gate.wait_for(1)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert host.health().circuit is CircuitState.OPEN
        assert host.health().in_flight == 0
        gate.opened.set()
        clock.advance(10)
        assert await calculate(host) == 450


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (OK, False),
        (REJECTED, False),
        (http(b'{"code":"session_unknown"}', "404 Not Found"), False),
        (UNAUTHORIZED, False),
        (http(b"", "429 Too Many Requests"), True),
        (FAILED, True),
        (http(b"", "404 Not Found"), True),
        (http(b"", "302 Found"), True),
        (http(b"garbage"), True),
        (http(CALCULATE_REPLY.replace(b"450", b"-1")), True),
    ],
)
async def test_what_the_circuit_counts(answer: bytes, counted: bool) -> None:
    """Failures of PDI and of the wire; never a no that was meant, nor a refused token."""
    async with WireServer(answering(answer)) as server, PdiClient(server.settings(), SystemClock()) as host:
        await asyncio.gather(*(calculate(host) for _ in range(5)), return_exceptions=True)
        assert counted is (host.health().circuit is CircuitState.OPEN)


async def test_slow_answers_open_the_circuit() -> None:
    """Ten answers that each took more than their share of the time; their content was fine."""
    clock = ManualClock()

    async def slowly(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        clock.advance(0.9)
        writer.write(OK)
        await writer.drain()

    settings = {"circuit": CircuitSettings(window=20.0), "token_skew": 0.0}
    async with WireServer(slowly) as server, PdiClient(server.settings(**settings), clock) as host:
        for expected in [CircuitState.CLOSED] * 10:
            assert expected is host.health().circuit
            assert await calculate(host, 1.0) == 450
        assert host.health().circuit is CircuitState.OPEN
        assert host.health().latency == pytest.approx(0.9)


async def test_a_host_without_a_token_to_be_had_is_unavailable() -> None:
    """The token endpoint's circuit holds calls back as PDI's own does, and for as long."""
    no_tokens = WireServer(answering(OK), answering(FAILED))
    async with no_tokens as server, PdiClient(server.settings(), ManualClock()) as host:
        for _ in range(5):
            assert host.unavailable_for() == 0
            with pytest.raises(HostNotSent):
                await calculate(host)
        assert host.unavailable_for() == pytest.approx(10)
        assert host.health().token_circuit is CircuitState.OPEN
        assert host.health().circuit is CircuitState.CLOSED
        assert server.calls("/calculateRewards") == []
