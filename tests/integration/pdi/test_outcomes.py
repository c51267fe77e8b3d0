"""What an answer means, by its status and body alone."""

from datetime import UTC, datetime
from decimal import Decimal

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from loyalty_adapters.pdi.exchange import Answer
from loyalty_adapters.pdi.outcomes import Outcome, TokenNotAccepted, outcome_of, refusal, retry_after
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostNotJudged,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
)

NOW = datetime(2025, 3, 16, 14, 30, tzinfo=UTC)
NO = b'{"code":"insufficient_points","message":"The balance does not cover it.","details":{"balance":3}}'


def judged(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> HostError | TokenNotAccepted:
    return refusal(Answer(status, headers or {}, body), NOW, 60.0)


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_these_four_with_a_code_are_a_definite_no(status: int) -> None:
    """PDI read it and refused it: the reason, the words and the plain details are passed on."""
    no = judged(status, NO)
    assert isinstance(no, HostRejection)
    assert no.reason == "insufficient_points"
    assert no.message == "The balance does not cover it."
    assert no.details == {"balance": 3}


@pytest.mark.parametrize("status", [400, 404, 409, 422])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Not Found</html>",
        b"[]",
        b'{"error":"no"}',
        b'{"code":7}',
        b'{"code":null}',
        b"{" * 100_000,
        b"\xff",
    ],
)
def test_without_a_readable_code_they_are_no_answer(status: int, body: bytes) -> None:
    """A proxy's own 404 page says nothing about what PDI has done with an earlier send."""
    silence = judged(status, body)
    assert isinstance(silence, HostSilence)
    assert silence.reason == "refused_without_code"


@pytest.mark.parametrize("status", [301, 402, 405, 406, 408, 410, 411, 413, 415, 418, 431, 500, 502, 503, 504, 599])
def test_any_other_status_is_no_answer_even_with_a_code(status: int) -> None:
    """Only the four are PDI's word."""
    silence = judged(status, NO)
    assert isinstance(silence, HostSilence)
    assert silence.reason == f"http_{status}"


@pytest.mark.parametrize("code", ["session_unknown", "session_not_found", "session_expired"])
def test_a_lost_session_is_a_no_of_its_own(code: str) -> None:
    """The remedy is to identify again, not to give up."""
    lost = judged(404, msgspec.json.encode({"code": code}))
    assert type(lost) is HostSessionUnknown
    assert lost.reason == code


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_not_a_judgement(status: int) -> None:
    """Whatever its body says."""
    assert isinstance(judged(status, NO), TokenNotAccepted)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("86400", 60.0),
        ("9" * 5000, 60.0),
        ("Sun, 16 Mar 2025 14:30:25 GMT", 25.0),
        ("Sun, 16 Mar 2025 14:00:00 GMT", 0.0),
        ("Mon, 16 Mar 2026 14:30:00 GMT", 60.0),
        ("Sun, 16 Mar 2025 15:30:10 +0100", 10.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Sun, 99 Mar 2025 14:30:25 GMT", None),
        ("Sun, 16 Mar 2025 14:30:25 -0000", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_capped(value: str, expected: float | None) -> None:
    """Seconds or a date, never negative, never longer than we are willing to wait."""
    assert expected == retry_after({"Retry-After": value}, NOW, 60.0)


def test_too_many_requests_carries_the_wait() -> None:
    """One second where PDI does not say."""
    for headers, expected in (({"Retry-After": "7"}, 7.0), ({}, 1.0)):
        busy = judged(429, NO, headers)
        assert isinstance(busy, HostNotJudged)
        assert expected == busy.retry_after


@pytest.mark.parametrize(
    "code", ["", "INVALID", "invalid customer", "invalid-customer", "x" * 65, "kunde_ungültig", "John Doe", "a\n"]
)
def test_a_code_that_is_none_of_ours_becomes_the_general_one(code: str) -> None:
    """It is still a definite no; its word would go into logs, metrics and answers."""
    no = judged(422, msgspec.json.encode({"code": code}))
    assert isinstance(no, HostRejection)
    assert no.reason == "rejected"


def test_details_are_few_plain_and_about_nobody() -> None:
    """Amounts stay exact; names, addresses, nested and monstrous values stay behind."""
    body = (
        b'{"code":"no","message":{"nested":true},"details":{"discount":12.10,"balance":3,"covered":false,"hint":null,'
        b'"customerName":"John Doe","email":"j@d","phone":"1","deep":{"a":1},"list":[1],"vast":1e999999,"tiny":1e-99,'
        b'"long":"' + b"x" * 1000 + b'","' + b"k" * 65 + b'":1,"line":"a\\u0000\\nb"}}'
    )
    no = judged(422, body)
    assert isinstance(no, HostRejection)
    assert no.message == ""
    assert no.details == {
        "discount": Decimal("12.10"),
        "balance": 3,
        "covered": False,
        "hint": None,
        "long": "x" * 128,
        "line": "a b",
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(status=st.integers(300, 599), body=st.binary() | json_values.map(msgspec.json.encode), code=st.text())
def test_any_refusal_is_one_of_the_six_and_bounded(status: int, body: bytes, code: str) -> None:
    """Whatever PDI writes, what goes on is of a known kind, short and printable."""
    for text in (body, msgspec.json.encode({"code": code, "message": code * 100, "details": {code: code * 50}})):
        error = judged(status, text)
        if isinstance(error, HostRejection):
            assert error.reason.replace("_", "").isalnum()
            assert error.reason.isascii()
            assert len(error.reason) <= 64
            assert len(error.message) <= 300
            assert len(error.details) <= 16
            assert all(len(str(value)) <= 128 for value in error.details.values())
            assert "\n" not in error.message
        else:
            assert isinstance(error, TokenNotAccepted | HostNotJudged | HostSilence | HostSessionUnknown)


def test_every_error_has_a_class_of_outcome() -> None:
    """What metrics call each way a call can end."""
    kinds = (HostRejection, HostSessionUnknown, HostNotSent, HostNotJudged, HostRefusesUs, HostSilence)
    outcomes = {outcome_of(kind("why")) for kind in kinds}
    assert outcomes == set(Outcome) - {Outcome.ACCEPTED}
