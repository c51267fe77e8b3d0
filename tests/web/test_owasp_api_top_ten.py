"""The ten risks of the OWASP API Security Top 10 of 2023, each met by at least one test named for it.

Where another suite goes deeper, the test's sentence says which.
"""

import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from loyalty_adapters.postgres.connections import ConnectionLane
from loyalty_core.ports.api_keys import Scope
from loyalty_web.api_keys import new_key
from loyalty_web.app import create_litestar
from loyalty_web.authentication import OPEN_TO_ALL
from loyalty_web.protection_settings import LimitSettings
from tests.pdi import Pdi
from tests.web.counter import sold
from tests.web.service import Reply, Service, running_service, settings

UNKNOWN: Final = "sess_00000000000000000000000000000000"
HEALTH: Final = {"/health", "/health/ready", "/health/live"}
OPEN: Final = HEALTH | {"/metrics", "/docs", "/schema", "/schema/openapi.json", "/schema/{path:str}"}
SAMPLES: Final = 40
MOST_APART: Final = 2.5
"""Between medians of interleaved calls: generous to a busy machine, and far below what a round trip more would show."""

Call = Callable[[str, str], Awaitable[Reply]]


def calls_on(service: Service) -> dict[str, Call]:
    """Every call that names a session, by a key, in a form that would succeed or be refused for its state."""

    async def quote(session: str, key: str) -> Reply:
        return await service.post("/calculateRewards", {"sessionId": session, "transactionAmount": 1}, key=key)

    async def finalize(session: str, key: str) -> Reply:
        body = {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150, "applyRewards": True}
        return await service.post("/finalize", body, key=key)

    async def cancel(session: str, key: str) -> Reply:
        return await service.post("/cancel", {"sessionId": session}, key=key)

    async def give_back(session: str, key: str) -> Reply:
        return await service.post("/return", {"sessionId": session, "returnId": "R-1"}, key=key)

    async def status(session: str, key: str) -> Reply:
        return await service.get(f"/getSessionStatus?sessionId={session}", key=key)

    return {"quote": quote, "finalize": finalize, "cancel": cancel, "return": give_back, "status": status}


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is asked of the database for as long as the block runs."""
    asked: list[str] = []
    run = ConnectionLane.run

    async def recorded(lane: ConnectionLane, statement: LiteralString, parameters: Mapping[str, Any]) -> Any:
        if "api_keys" not in statement and "id" in parameters:  # not what is asked in the background, now and then
            asked.append(statement)
        return await run(lane, statement, parameters)

    with monkeypatch.context() as patched:
        patched.setattr(ConnectionLane, "run", recorded)
        yield asked


def told(reply: Reply) -> dict[str, Any]:
    """All that an answer says, but for the names that each has of its own."""
    headers = {name.lower(): value for name, value in reply.headers.items()}
    own = {"date", "x-request-id", "ratelimit"}
    body = {name: value for name, value in reply.json.items() if name != "traceId"}
    return {"status": reply.status, **{name: headers[name] for name in sorted(set(headers) - own)}, **body}


async def test_api1_broken_object_level_authorization(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another client's session is one that there never was: the same words, the same work, about the same time."""
    opened, settled = (await service.identify("T-OPEN")).json["sessionId"], await sold(service)
    stranger = (await service.new_key("stranger", "KIOSK-*")).text
    neighbour = (await service.new_key("demo", "POS-777")).text
    for key in (stranger, neighbour):
        for name, call in calls_on(service).items():
            await call(UNKNOWN, key)
            with statements(monkeypatch) as for_nothing:
                expected = await call(UNKNOWN, key)
            assert (404, "session_not_found") == expected.refusal
            for session in (opened, settled):
                with statements(monkeypatch) as for_a_session:
                    assert told(expected) == told(await call(session, key)), name
                assert for_nothing == for_a_session, name
    assert ("active", 1) == await service.standing(opened)
    seconds: dict[str, list[float]] = {opened: [], settled: [], UNKNOWN: []}
    status = calls_on(service)["status"]
    for _ in range(SAMPLES):
        for session, taken in seconds.items():
            began = time.perf_counter()
            await status(session, stranger)
            taken.append(time.perf_counter() - began)
    medians = {session: statistics.median(taken) for session, taken in seconds.items()}
    assert max(medians.values()) / min(medians.values()) < MOST_APART


async def test_api2_broken_authentication(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """A key that is wrong in whatever way is told the same, in the same time; whoever goes on trying is turned away.

    `test_refusals` has more ways to be wrong, `test_keyring` revocation, `test_rate_limits` the limit.
    """
    limits = LimitSettings(failed_rate=0.001, failed_burst=3 * SAMPLES)
    async with running_service(settings(database_url, redis_url, pdi, limits=limits)) as service:
        known_id = service.key[: len("lk_") + 16]
        wrong = {"secret": f"{known_id}_{'A' * 43}", "id": new_key().text, "form": "lk_nonsense"}
        seconds: dict[str, list[float]] = {name: [] for name in wrong}
        answers = []
        for _ in range(SAMPLES):
            for name, key in wrong.items():
                began = time.perf_counter()
                answers.append(await service.get(f"/getSessionStatus?sessionId={UNKNOWN}", key=key))
                seconds[name].append(time.perf_counter() - began)
        assert all(told(answers[0]) == told(answer) for answer in answers)
        assert (401, "unauthenticated") == answers[0].refusal
        medians = [statistics.median(seconds[name]) for name in ("secret", "id")]
        assert max(medians) / min(medians) < MOST_APART
        turned_away = await service.get("/sessions", key=wrong["secret"])
        assert (429, "rate_limited") == turned_away.refusal
        assert (await service.get("/sessions")).status == 200  # with a good key, from the same address


async def test_api3_broken_object_property_level_authorization(service: Service) -> None:
    """No call takes a field that is not the caller's to set, and no answer has one that is not the caller's to see."""
    session = (await service.identify()).json["sessionId"]
    bodies: dict[str, dict[str, Any]] = {
        "/identify": {"customerId": "CUST-12345", "channelId": "POS-001", "transactionId": "T-2"},
        "/calculateRewards": {"sessionId": session, "transactionAmount": 150},
        "/finalize": {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150, "applyRewards": True},
        "/cancel": {"sessionId": session},
        "/return": {"sessionId": session, "returnId": "R-1"},
    }
    for path, body in bodies.items():
        for field in (
            "earnedPoints",
            "tier",
            "status",
            "clientId",
            "version",
            "receiptId",
            "pointsReversed",
            "multiplier",
        ):
            reply = await service.post(path, {**body, field: 1})
            assert (400, "validation_failed") == reply.refusal
            assert field == reply.json["errors"][0]["field"]
    shown = await service.status(session)
    assert ("active", 1, 0) == (shown["status"], shown["version"], shown["earnedPoints"])
    assert not {"clientId", "client", "fingerprint", "claimedUntil", "customerName", "idempotencyKey"} & set(shown)


async def test_api4_unrestricted_resource_consumption(service: Service) -> None:
    """What one call may cost is bounded before it is worked on: bytes, lines, digits, notes, rows of an answer.

    `test_http_bounds` and `test_framing` bound its bytes and seconds, `test_rate_limits` how often it may come.
    """
    session = (await service.identify()).json["sessionId"]
    quote = {"sessionId": session, "transactionAmount": 1}
    line = {"sku": "A", "qty": 1}
    large = await service.post("/calculateRewards", {**quote, "items": [{**line, "sku": "x" * 300_000}]})
    assert 413 == large.status
    for body in (
        {**quote, "items": [line] * 501},
        {**quote, "items": [{**line, "qty": 10**6}]},
        {**quote, "transactionAmount": 10**10},
        {**quote, "redeemPoints": 2**63},
    ):
        assert (400, "validation_failed") == (await service.post("/calculateRewards", body)).refusal
    largest = await service.post("/calculateRewards", {**quote, "transactionAmount": 500, "items": [line] * 500})
    assert (200, 500) == (largest.status, len(largest.json["lines"]))
    assert "RateLimit" in largest.headers
    for number in range(101):
        opened = await service.identify(f"T-{number}")
        await service.post("/cancel", {"sessionId": opened.json["sessionId"]})
    page = (await service.get("/sessions")).json
    assert 100 == len(page["sessions"])
    assert page["nextCursor"]


async def test_api5_broken_function_level_authorization(service: Service) -> None:
    """Every route but the open ones wants a key with its scope; what operators do is not to be had over HTTP at all."""
    operator = (await service.new_key("demo", "POS-*", scopes=(Scope.OPS,))).text
    for path, method in sorted(routes(create_litestar(service.container))):
        if method == "OPTIONS" or path in OPEN:
            continue
        async with service.client.request(method, service.url + path) as response:
            assert 401 == response.status, (method, path)
        headers = {"Authorization": f"Bearer {operator}"}
        async with service.client.request(method, service.url + path, headers=headers) as response:
            assert (403, "scope_missing") == (response.status, (await response.json())["code"]), (method, path)
    for path in ("/keys", "/admin", "/sessions/abandon", "/jobs", "/customers/forget", "/_sim/faults", "/debug"):
        assert 404 == (await service.post(path, {}, key=operator)).status


async def test_api6_unrestricted_access_to_sensitive_business_flows(service: Service, pdi: Pdi) -> None:
    """Points cannot be farmed: a sale earns once, and what is returned is taken back once.

    `tests/properties` holds the laws of points and returns, `tests/simulation` that none is doubled.
    """
    session = await sold(service)
    for transaction in ("TXN-67890", "T-OTHER"):
        again = {"sessionId": session, "transactionId": transaction, "finalAmount": 9999, "applyRewards": True}
        assert (422, "transaction_mismatch") == (await service.post("/finalize", again)).refusal
    assert session == (await service.identify("TXN-67890")).json["sessionId"]  # no second session for one sale
    assert 200 == (await service.post("/return", {"sessionId": session, "returnId": "R-1"})).status
    assert (422, "over_return") == (await service.post("/return", {"sessionId": session, "returnId": "R-2"})).refusal
    old = {"customerId": "CUST-12345", "channelId": "POS-001", "transactionId": "T-OLD"}
    late = await service.post("/identify", {**old, "occurredAt": "2020-01-01T00:00:00Z"})
    assert (400, "validation_failed") == late.refusal
    kinds = [(entry["kind"], entry["points"]) for entry in await pdi.ledger(transactionId="TXN-67890")]
    assert [("accrual", 450), ("reversal", 450)] == kinds


async def test_api7_server_side_request_forgery(service: Service, pdi: Pdi) -> None:
    """No call takes an address, and no header changes where PDI is or where an answer points to.

    That PDI's redirects are not followed is held by `tests/integration/pdi`.
    """
    document = (await service.get("/schema/openapi.json")).body.decode()
    assert '"format":"uri' not in document
    told_hosts = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    session = (await service.identify()).json["sessionId"]
    await pdi.faults("http_503", endpoints=["finalize"])
    body = {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150, "applyRewards": True}
    promised = await service.post("/finalize", body, headers=told_hosts)
    assert 202 == promised.status
    assert f"/getSessionStatus?sessionId={session}" == promised.headers["Location"]
    assert b"evil.example" not in promised.body


async def test_api8_security_misconfiguration(service: Service) -> None:
    """Every answer, refusals included, says not to be kept, guessed at or framed, and not what it is served by."""
    for reply in (
        await service.get("/health", key=""),
        await service.get("/docs", key=""),
        await service.get("/nothing"),
        await service.get("/sessions", key=""),
        await service.identify(),
        await service.post("/identify", b"{"),
    ):
        assert ("no-store", "nosniff") == (reply.headers["Cache-Control"], reply.headers["X-Content-Type-Options"])
        assert not {"server", "x-powered-by", "access-control-allow-origin"} & {name.lower() for name in reply.headers}
        assert b"Traceback" not in reply.body
        assert b"litestar" not in reply.body.lower()
    for method in ("TRACE", "PUT", "DELETE", "PATCH"):
        async with service.client.request(method, f"{service.url}/health") as response:
            assert 405 == response.status
    assert create_litestar(service.container).debug is False


async def test_api9_improper_inventory_management(service: Service) -> None:
    """What is served is what is described, and a short list of pages that need no key; there is one version of it."""
    app = create_litestar(service.container)
    described = (await service.get("/schema/openapi.json", key="")).json
    calls = {(path, method.upper()) for path, operations in described["paths"].items() for method in operations}
    served = {(path, method) for path, method in routes(app) if method != "OPTIONS"}
    assert OPEN >= {path for path, _ in served - calls}
    assert calls <= served
    without_key = {
        route.path
        for route in app.routes
        if isinstance(route, HTTPRoute) and any(handler.opt.get(OPEN_TO_ALL) for handler in route.route_handlers)
    }
    assert without_key <= OPEN
    assert not [path for path, _ in served if "v1" in path or "v2" in path or "internal" in path]


@pytest.mark.parametrize("mode", ["garbage", "truncated", "wrong_types", "huge", "duplicate_reply", "reject"])
async def test_api10_unsafe_consumption_of_apis(service: Service, pdi: Pdi, mode: str) -> None:
    """PDI is believed what it can have meant, and nothing else: no answer of its own becomes an error of ours.

    `tests/integration/pdi` bounds every field of its answers, `tests/faults` runs every fault against every call.
    """
    await pdi.faults(mode)
    began = time.monotonic()
    opened = await service.identify()
    assert time.monotonic() - began < 10
    assert opened.status in {201, 400}
    await pdi.faults("ok")
    assert 201 == (await service.identify("T-AFTER")).status
    if opened.status == 201 and mode != "duplicate_reply":
        assert (True, None) == (opened.json["provisional"], opened.json["customerName"])


def routes(app: Litestar) -> set[tuple[str, str]]:
    """Every path that is served, with its methods."""
    return {
        (route.path, str(method))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }
