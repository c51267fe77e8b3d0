import asyncio
import socket
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from loyalty_web.web_settings import WatchSettings
from tests.pdi import Pdi
from tests.unit.observability.prometheus_rules import faults
from tests.web.service import Service, running_service, settings

_OPENMETRICS: Final = {"Accept": "application/openmetrics-text; version=1.0.0"}
_SALE: Final = {"transactionAmount": 150.00, "items": [{"sku": "SKU-001", "qty": 2}]}


async def _sell(service: Service, transaction: str) -> str:
    session: str = (await service.identify(transaction)).json["sessionId"]
    await service.post("/calculateRewards", {"sessionId": session, **_SALE})
    await service.post(
        "/finalize",
        {"sessionId": session, "transactionId": transaction, "finalAmount": 150.00, "applyRewards": True},
    )
    return session


async def _samples(service: Service) -> dict[str, float]:
    text = (await service.get("/metrics", key="")).body.decode()
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _named(name: str, **labels: str) -> str:
    return f"{name}{sorted(labels.items())}"


async def test_a_sale_is_counted(service: Service) -> None:
    """Requests by route, calls to PDI, transitions and points: what one sale did, and nothing else."""
    await _sell(service, "TX-1")
    found = await _samples(service)
    for route in ("/identify", "/calculateRewards", "/finalize"):
        assert 1 == found[_named("loyalty_http_requests_total", method="POST", route=route, status="2xx")]
        assert 1 == found[_named("loyalty_http_request_duration_seconds_count", route=route)]
        assert 1 == found[_named("loyalty_pdi_calls_total", endpoint=route[1:], outcome="accepted")]
    assert 450 == found[_named("loyalty_points_total", kind="earned")]
    booked = {"from": "finalizing", "to": "finalized", "cause": "host_accepted"}
    assert 1 == found[_named("loyalty_session_transitions_total", **booked)]
    assert 1 == found[_named("loyalty_circuit_state", circuit="pdi", state="CLOSED")]
    assert 16 == found[_named("loyalty_database_connections", lane="intake")]


async def test_replays_and_refusals_are_counted(service: Service) -> None:
    """A repeated identify is a replay; a call without a key counts as 4xx; a path of a stranger's is no route."""
    await service.identify("TX-1")
    await service.identify("TX-1")
    await service.post("/identify", {}, key="")
    await service.get("/sess_01234567/..%2fetc")
    found = await _samples(service)
    assert 1 == found[_named("loyalty_replays_total", call="identify")]
    assert 1 == found[_named("loyalty_http_requests_total", method="POST", route="/identify", status="4xx")]
    assert 1 == found[_named("loyalty_http_requests_total", method="GET", route="unmatched", status="4xx")]


async def test_what_is_queued_is_seen(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """With PDI away a finalize is queued: the queue tells how much it holds and how old that is."""
    watch = WatchSettings(health_interval=0.05)
    async with running_service(settings(database_url, redis_url, pdi, watch=watch)) as service:
        await pdi.faults("http_500", endpoints=["finalize"])
        await _sell(service, "TX-1")
        async with asyncio.timeout(5):
            while True:
                found = await _samples(service)
                if found[_named("loyalty_delivery_queue_waiting")] == 1:
                    break
                await asyncio.sleep(0.05)
        assert found[_named("loyalty_delivery_queue_oldest_age_seconds")] >= 0
        assert 0 == found[_named("loyalty_delivery_queue_parked")]
        assert 1 == found[_named("loyalty_pdi_calls_total", endpoint="finalize", outcome="silent")]


async def test_the_live_exposition_keeps_to_the_rules(service: Service, pdi: Pdi) -> None:
    """After every call, with successes, refusals and an outage: valid OpenMetrics, no ids, the published size."""
    session = await _sell(service, "TX-1")
    await service.get(f"/getSessionStatus?sessionId={session}")
    await service.post("/cancel", {"sessionId": session})
    await service.post("/return", {"sessionId": session, "returnId": "R-1"})
    await service.get("/sessions?status=failed")
    await pdi.faults("http_500")
    for number in range(6):
        await _sell(service, f"TX-9{number}")
    answer = await service.get("/metrics", headers=_OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert [] == faults(answer.body.decode())
    assert 8_000 < len((await service.get("/metrics")).body) < 20_000


async def test_a_port_of_their_own(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """With METRICS_PORT the metrics are on that port, and no longer among the calls."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    watch = WatchSettings(metrics_port=port)
    async with running_service(settings(database_url, redis_url, pdi, watch=watch)) as service:
        assert 404 == (await service.get("/metrics")).status
        async with service.client.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert 200 == response.status
            assert "loyalty_build_info" in await response.text()
        async with service.client.post(f"http://127.0.0.1:{port}/metrics") as response:
            assert 405 == response.status
    with socket.create_server(("127.0.0.1", port)):
        pass  # it has been let go
