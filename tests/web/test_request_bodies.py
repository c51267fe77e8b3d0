"""Reading bodies: whatever bytes arrive, they are a body of the call or a refusal that names a field."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import FieldError, SessionNotFound, ValidationFailed
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.domain.program import built_in_program
from loyalty_web.conditional import entity_tag, expected_version
from loyalty_web.request_bodies import decode
from loyalty_web.schemas import CalculateRequest, CancelRequest, FinalizeRequest, IdentifyRequest, ItemRequest

CALLER = Caller(ClientId("acme"), ("*",))
SESSION = "sess_0192f3a1c4b27e0d9a6b3c5d7e8f9012"
BODIES: tuple[type[Any], ...] = (IdentifyRequest, CalculateRequest, FinalizeRequest, CancelRequest)
SCHEMAS: tuple[type[msgspec.Struct], ...] = (*BODIES, ItemRequest)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["NaN", "1_000", "1e999", SESSION, "\u0000", "2026-03-16T14:30:45Z"]),
)
names = st.one_of(
    st.sampled_from([field.encode_name for body in SCHEMAS for field in msgspec.structs.fields(body)]),
    st.text(max_size=5),
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=8)),
    max_leaves=25,
)


def mistakes_of(body: bytes, kind: type[Any]) -> tuple[FieldError, ...]:
    """What a controller finds wrong with a body."""
    try:
        match decode(body, kind):
            case IdentifyRequest() as read:
                read.command(CALLER)
            case CancelRequest() as read:
                read.command(CALLER, None)
            case CalculateRequest() | FinalizeRequest() as read:
                read.command(CALLER, built_in_program(), None)
    except ValidationFailed as refused:
        return refused.errors
    except SessionNotFound:
        return ()
    return ()


@given(body=st.one_of(st.binary(max_size=200), documents.map(lambda document: json.dumps(document).encode())))
@example(body=b'{"sessionId":"\\ud800"}')
@example(body=b"[" * 100_000)
@example(body=json.dumps({"x" * 100_000: 1}).encode())
@example(body=b'{"metadata":' * 5000)
@example(body=b'{"customerId":"a","channelId":"a","transactionId":"a","occurredAt":"0001-01-01T00:00:00+14:00"}')
@example(body=b'{"customerId":"a","channelId":"a","transactionId":"a","occurredAt":"9999-12-31T23:59:59-14:00"}')
@example(body=b'{"customerId":"a","channelId":"a","transactionId":"a","metadata":{"a":-0.0,"b":1e-40}}')
def test_any_bytes_are_a_body_or_a_refusal(body: bytes) -> None:
    """Nothing that arrives is a bug of ours, and every refusal names a field and says what is wrong with it."""
    for kind in BODIES:
        for error in mistakes_of(body, kind):
            assert error.field
            assert error.message
            assert len(error.field) + len(error.message) < 300


@given(
    minor=st.integers(0, 10**12 - 1),
    quantity=st.integers(1, 10**10 - 1),
    price=st.integers(0, 10**16 - 1),
)
def test_numbers_arrive_exactly(minor: int, quantity: int, price: int) -> None:
    """Amounts, quantities and prices are the digits that were sent: 9999999999.99 is not nearly that."""
    amount, qty, unit = Decimal(minor) / 100, Decimal(quantity) / 10_000, Decimal(price) / 1_000_000
    item = f'{{"sku":"A","qty":{qty:f},"unitPrice":{unit:f}}}'
    body = f'{{"sessionId":"{SESSION}","transactionAmount":{amount:f},"items":[{item}]}}'
    command = decode(body.encode(), CalculateRequest).command(CALLER, built_in_program(), None)
    (line,) = command.lines
    assert (amount, qty, unit) == (command.amount, line.quantity, line.unit_price)


@pytest.mark.parametrize("text", ["150", "150.0", "150.00", "1.5e2", "15000e-2", "150.0000000000"])
def test_spellings_of_a_number_mean_the_same(text: str) -> None:
    """As JSON has it; a replay may be spelled otherwise than the first call."""
    body = f'{{"sessionId":"{SESSION}","transactionId":"T","finalAmount":{text},"applyRewards":true}}'
    command = decode(body.encode(), FinalizeRequest).command(CALLER, built_in_program(), None)
    usual = decode(body.replace(text, "150").encode(), FinalizeRequest).command(CALLER, built_in_program(), None)
    assert usual.fingerprint() == command.fingerprint()


@pytest.mark.parametrize("text", ["5", "5.0", "5e0", "0.5e1", "50E-1"])
def test_spellings_of_an_integer_mean_the_same(text: str) -> None:
    """To JSON they are one number, and the description says `integer`: points are taken however they are written."""
    body = f'{{"sessionId":"{SESSION}","transactionAmount":1,"redeemPoints":{text}}}'
    assert 5 == decode(body.encode(), CalculateRequest).command(CALLER, built_in_program(), None).redeem_points


def test_null_is_absent() -> None:
    """For every optional field; a required one is still required."""
    body = (
        f'{{"sessionId":"{SESSION}","transactionAmount":1,"items":null,"redeemPoints":null}}',
        f'{{"sessionId":"{SESSION}","transactionAmount":1}}',
    )
    with_null, without = (
        decode(text.encode(), CalculateRequest).command(CALLER, built_in_program(), None) for text in body
    )
    assert without == with_null


@given(version=st.integers(1, 10**9 - 1))
def test_a_version_is_its_entity_tag(version: int) -> None:
    """What a status gives, a later call takes."""
    assert version == expected_version(entity_tag(version))


@pytest.mark.parametrize("tag", [None, "*", " * "])
def test_whoever_does_not_insist(tag: str | None) -> None:
    """No header, or a star, takes any version."""
    assert expected_version(tag) is None


@pytest.mark.parametrize("tag", ["1", '"1', '"1", "2"', "", "W/1", '"1"x'])
def test_tags_that_are_none(tag: str) -> None:
    """One quoted tag, or a star."""
    with pytest.raises(ValidationFailed):
        expected_version(tag)
