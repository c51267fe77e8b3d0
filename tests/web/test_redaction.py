"""Secrets and names are pushed through every path, and then looked for in everything that is written."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Final, NoReturn

import pytest
import structlog
from dependency_injector.providers import Object
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typing_extensions import override

from loyalty_adapters.observability import LogForm, TraceContext, configure_logging
from loyalty_core.use_cases.identify_customer import Identify, IdentifyCustomer
from loyalty_web.host_settings import QueueSettings
from loyalty_web.service_settings import CustomerIdForm, LogLevel, LogSettings
from loyalty_web.settings import Settings
from loyalty_web.translated_settings import log_form
from tests.pdi import Pdi
from tests.processes import soon
from tests.web.service import PEPPER, Service, running_service, settings

NAME: Final = "Zaphod-Beeblebrox"
PHONE: Final = "441632960961"
MARK: Final = "s3cr3t-m4rk"
REQUIRED: Final = ("timestamp", "level", "service", "context", "message", "traceId", "spanId")


class Watched(Service):
    """A service whose log is kept."""

    log: io.StringIO
    settings: Settings

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    async def written(self) -> str:
        """Everything that anybody but the till can read."""
        return self.log.getvalue() + (await self.get("/metrics", key="")).body.decode()


class Faulty(IdentifyCustomer):
    """A use case with a bug that knows a name and a secret."""

    @override
    def __init__(self) -> None:
        """It needs nothing to fail."""

    @override
    async def __call__(self, command: Identify) -> NoReturn:
        raise RuntimeError(f"{NAME} {MARK}")


@contextmanager
def _logging_to(out: io.StringIO, form: LogForm, traces: TraceContext) -> Iterator[None]:
    """This process's log goes to `out` for as long as the block runs, and then where it went before."""
    root, known = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    configure_logging(form, traces, out)
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.configure(**known)


@pytest.fixture
async def watched(database_url: str, redis_url: str, pdi: Pdi) -> AsyncIterator[Watched]:
    log = LogSettings(level=LogLevel.DEBUG, customer_id=CustomerIdForm.HASH)
    queue = QueueSettings(backoff_base=0.01, backoff_cap=0.01, probe_interval=0.01)
    chosen = settings(database_url, redis_url, pdi, log=log, queue=queue)
    await pdi.put_customer(PHONE, name=NAME, tier="Gold", points=10)
    async with running_service(chosen) as service:
        service.__class__ = Watched
        assert isinstance(service, Watched)
        service.log, service.settings = io.StringIO(), chosen
        with _logging_to(service.log, log_form(chosen), service.container.traces()):
            yield service


async def _every_path(service: Watched, pdi: Pdi) -> None:
    """Sales that succeed, are refused, queued, delivered late; PDI failing in its many ways; keys of all kinds."""
    for number, mode in enumerate(
        ("ok", "http_500", "reject", "garbage", "unauthorized", "rate_limited", "wrong_types", "truncated", "reset")
    ):
        await pdi.faults("ok")
        session = (await service.identify(f"TX-{number}", customer=PHONE)).json["sessionId"]
        await pdi.faults(mode)
        sale = {"sessionId": session, "transactionAmount": 150.00}
        await service.post("/calculateRewards", sale)
        pay = {"sessionId": session, "transactionId": f"TX-{number}", "finalAmount": 150.00, "applyRewards": True}
        await service.post("/finalize", pay)
        await service.post("/finalize", pay)
        await service.get(f"/getSessionStatus?sessionId={session}")
        await service.post("/cancel", {"sessionId": session, "reason": f"{NAME} left"})
    await pdi.faults("ok")
    noted = {"customerId": PHONE, "channelId": "POS-001", "transactionId": "TX-NOTED", "metadata": {"note": NAME}}
    session = (await service.post("/identify", noted)).json["sessionId"]
    await service.post("/identify", {**noted, "metadata": {"note": f"{NAME} {MARK}"}})
    pay = {"sessionId": session, "transactionId": "TX-NOTED", "finalAmount": 150.00, "applyRewards": True}
    await service.post("/finalize", pay)
    await service.post("/return", {"sessionId": session, "returnId": "RET-1", "amount": 1})
    await service.container.deliver_pending()()
    for key in (f"lk_0123456789abcdef_{MARK}", MARK, f"Basic {MARK}", service.key + MARK):
        await service.get("/getSessionStatus?sessionId=sess_x", key=key)
        await service.get(f"/getSessionStatus?sessionId={MARK}", headers={"X-API-Key": key})
    await service.post("/identify", f'{{"customerId": "{MARK}'.encode())
    await service.get(f"/{MARK}?{MARK}={MARK}", headers={"X-Request-Id": f"{MARK}!", "traceparent": MARK})


async def test_nothing_secret_is_written(watched: Watched, pdi: Pdi) -> None:
    """No key, pepper, client secret, token, name or plain customer id, whatever succeeded or failed."""
    await _every_path(watched, pdi)
    written = await watched.written()
    secrets = [watched.key, watched.key.rpartition("_")[2], PEPPER, pdi.client_secret, NAME, PHONE, MARK, "Bearer"]
    assert [] == [secret for secret in secrets if secret in written]
    outcomes = {line.get("outcome") or line.get("pdiOutcome") for line in watched.lines()}
    assert {"accepted", "silent", "rejected", "refused_us"} <= outcomes  # what was to happen did


async def test_a_bug_does_not_quote_what_it_failed_on(watched: Watched) -> None:
    """An unexpected error is logged by its kind and place; the caller gets a trace id and nothing else."""
    loyalty = copy(watched.container.loyalty())
    loyalty.identify = Faulty()
    with watched.container.loyalty.override(Object(loyalty)):
        answer = await watched.identify("TX-1", customer=PHONE)
    assert (500, "internal_error") == answer.refusal
    for text in (await watched.written(), answer.body.decode()):
        assert NAME not in text
        assert MARK not in text
    (line,) = [line for line in watched.lines() if line["message"] == "Unexpected error"]
    assert ("ERROR", "RuntimeError", answer.json["traceId"]) == (line["level"], line["error"], line["traceId"])


async def test_errors_of_libraries_are_named_and_not_quoted(watched: Watched) -> None:
    """What a library logs with an exception comes out in the same form, without the exception's words."""
    logging.getLogger("some.library").error("it failed", exc_info=RuntimeError(NAME))
    line = watched.lines()[-1]
    assert ("some.library", "it failed", "RuntimeError") == (line["context"], line["message"], line["error"])
    assert NAME not in watched.log.getvalue()


async def test_every_line_of_a_request_has_the_published_fields(watched: Watched) -> None:
    """One line for the request, with the names of the published example and the time it waited for PDI."""
    session = (await watched.identify("TX-1", customer=PHONE)).json["sessionId"]
    await watched.post("/calculateRewards", {"sessionId": session, "transactionAmount": 150.00})
    pay = {"sessionId": session, "transactionId": "TX-1", "finalAmount": 150.00, "applyRewards": True}
    await watched.post("/finalize", pay)
    await soon(lambda: "Session finalized" in watched.log.getvalue(), "the line of the last request")
    lines = [line for line in watched.lines() if line["context"] != "Health"]
    expected = ["Session opened", "Rewards calculated", "Session finalized successfully"]
    assert expected == [line["message"] for line in lines]
    assert all("accepted" == line["pdiOutcome"] and line["duration"] > line["pdiDuration"] > 0 for line in lines)
    for line in lines:
        assert [] == [name for name in REQUIRED if not line.get(name)]
        assert line["duration"] > 0
    finalized = lines[-1]
    assert ("Session finalized successfully", session, 450) == (
        finalized["message"], finalized["sessionId"], finalized["earnedPoints"],
    )  # fmt: skip
    assert len({line["customerId"] for line in lines if "customerId" in line}) == 1
    assert PHONE not in {line.get("customerId") for line in lines}


FIELDS: Final = ("customerId", "channelId", "transactionId", "sessionId", "metadata", "items", "quoteId", "reason", "x")


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/identify", "/calculateRewards", "/finalize", "/cancel", "/return", "/nowhere"]),
    field=st.sampled_from(FIELDS),
    around=st.text(max_size=8),
    shape=st.sampled_from(
        [lambda mark: mark, lambda mark: [mark], lambda mark: {mark: mark}, lambda mark: {"a": mark}]
    ),
)
async def test_whatever_a_till_sends_wrongly_is_not_written(
    watched: Watched, path: str, field: str, around: str, shape: Any
) -> None:
    """A mark in any field of any call, in any shape that is refused, is never logged."""
    value = shape(f"{around}{MARK}{around} ")
    answer = await watched.post(path, {"channelId": "POS-001", "sessionId": "sess_1", field: value})
    assert answer.status >= 400
    assert MARK not in await watched.written()


def test_the_log_for_people_says_the_same() -> None:
    """Development, at a terminal: one readable line, names of fields with their values, the message up front."""
    out = io.StringIO()
    with _logging_to(out, LogForm(readable=True), TraceContext()):
        structlog.get_logger(context="LoyaltyController").info("Session opened", sessionId="sess_1", status=201)
    line = out.getvalue()
    assert "INFO  Session opened" in line
    assert {"context=LoyaltyController", "sessionId=sess_1", "status=201"} <= set(line.split())
