"""The bodies that go out, letter by letter, and the published examples coming in."""

import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_adapters.pdi import PdiClient, wire
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.member import Member
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import HostReceipt
from loyalty_core.domain.session_quote import HostQuote
from loyalty_core.ports.loyalty_host import CommitKind, HostCommit, HostIdentification, HostSessionReport
from tests.integration.pdi.samples import (
    CALCULATE_REPLY,
    CALLS,
    CHANNEL,
    CUSTOMER,
    FINALIZE_REPLY,
    IDENTIFY_REPLY,
    REPLIES,
    SESSION,
    STATUS_REPLY,
    TRANSACTION,
)
from tests.integration.pdi.wire_server import Seen, WireServer, answering, http


async def sent(reply: bytes, call: str) -> tuple[Seen, object]:
    """What one call puts on the wire, and what the client makes of `reply`."""
    async with WireServer(answering(http(reply))) as server, PdiClient(server.settings(), SystemClock()) as host:
        answer = await CALLS[call](host, 2)
        return server.calls(f"/{call}")[0], answer


async def test_identify_is_the_published_example() -> None:
    """Out with three ids, in with the member."""
    seen, answer = await sent(IDENTIFY_REPLY, "identify")
    assert seen.method == "POST"
    assert seen.body == b'{"customerId":"CUST-12345","channelId":"POS-001","transactionId":"TXN-67890"}'
    member = Member(customer_id=CUSTOMER, tier="Gold", name="John Doe", points=5000)
    assert answer == HostIdentification(session=SESSION, member=member)
    assert "idempotency-key" not in seen.headers


async def test_calculate_is_the_published_example() -> None:
    """150.00 goes out with both its zeros; nothing optional goes out that was not given."""
    seen, answer = await sent(CALCULATE_REPLY, "calculateRewards")
    expected = b'{"sessionId":"sess_abc123","transactionAmount":150.00,"items":[{"sku":"SKU-001","qty":2}]}'
    assert expected == seen.body
    assert answer == HostQuote(
        earned_points=450, bonus_points=150, base_points=300, tier_bonus=150, multiplier=Decimal("3.0")
    )


async def test_finalize_is_the_published_example_and_what_pdi_books() -> None:
    """The four fields of the example first, then ours; the key is a header."""
    seen, answer = await sent(FINALIZE_REPLY, "finalize")
    assert seen.body == (
        b'{"sessionId":"sess_abc123","transactionId":"TXN-67890","finalAmount":150.00,"applyRewards":true,'
        b'"earnedPoints":450,"redeemPoints":0,"items":[{"sku":"SKU-001","qty":2}],"programVersion":"2025.1",'
        b'"receiptId":"RCP-2025-001"}'
    )
    assert seen.headers["idempotency-key"] == "sess_1:1"
    assert answer == HostReceipt(earned_points=450, new_balance=5450)


async def test_return_says_what_to_take_back_and_what_to_restore() -> None:
    """Under its own id and its own key."""
    seen, answer = await sent(REPLIES["return"], "return")
    expected = b'{"sessionId":"sess_abc123","returnId":"RET-1","pointsReversed":450,"pointsRestored":0}'
    assert expected == seen.body
    assert seen.headers["idempotency-key"] == "sess_1:r1"
    assert answer == ReturnFigures(points_reversed=450, points_restored=0)


async def test_status_asks_in_the_query() -> None:
    """A GET without a body."""
    seen, answer = await sent(STATUS_REPLY, "getSessionStatus")
    assert seen.method == "GET"
    assert seen.target == "/getSessionStatus?sessionId=sess_abc123"
    assert seen.body == b""
    commit = HostCommit(key="sess_1:1", kind=CommitKind.ACCRUAL, points=450)
    assert answer == HostSessionReport(status="finalized", earned_points=450, commits=(commit,))


async def test_a_handle_with_reserved_characters_stays_one_value() -> None:
    """PDI's own handle is PDI's business; in the query it is quoted."""
    odd = b'a&b=c#d/e?f+"%20'
    identified = http(IDENTIFY_REPLY.replace(b"sess_abc123", odd.replace(b'"', b'\\"')))
    reported = http(STATUS_REPLY.replace(b"sess_abc123", odd.replace(b'"', b'\\"')))
    async with WireServer(answering(identified, reported)) as server:
        async with PdiClient(server.settings(), SystemClock()) as host:
            session = (await host.identify(CHANNEL, TRANSACTION, CUSTOMER, within=2)).session
            report = await host.report(session, within=2)
        assert report.status == "finalized"
        assert server.seen[-1].path == "/getSessionStatus"
        assert "#" not in server.seen[-1].target


@pytest.mark.parametrize("handle", ["", "a b", "a\\nb", "é", "x" * 129])
def test_a_handle_that_no_header_or_column_would_take_is_refused(handle: str) -> None:
    """It is stored, sent and logged for as long as the session lives."""
    body = IDENTIFY_REPLY.replace(b"sess_abc123", handle.encode())
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=wire.IdentifyReply)


@pytest.mark.parametrize("field", ["customerName", "tier"])
def test_a_member_may_have_no_name_and_no_tier(field: str) -> None:
    """PDI's null is our None; a missing field is a broken reply."""
    reply = msgspec.json.decode(IDENTIFY_REPLY)
    told = msgspec.convert(reply | {field: None}, wire.IdentifyReply).identification(CUSTOMER).member
    assert (told.name is None) == (field == "customerName")
    assert (told.tier is None) == (field == "tier")
    del reply[field]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(reply, wire.IdentifyReply)


@pytest.mark.parametrize("field", ["customerName", "tier", "status"])
def test_text_that_no_column_would_take_is_refused(field: str) -> None:
    """A NUL would only be found out when the session is stored; such an answer is unreadable."""
    reply = {"sessionId": "S1", "status": "active", "customerName": "Jo", "currentPoints": 1, "tier": "Gold"}

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(reply | {field: "a\x00b"}, wire.IdentifyReply)


def test_an_echoed_id_must_be_ours() -> None:
    """PDI need not echo what we sent; what it echoes has to match."""
    request = wire.IdentifyRequest(customer_id="C", channel_id="P", transaction_id="T")
    reply = msgspec.json.decode(IDENTIFY_REPLY)
    for echo, expected in (({}, True), ({"customerId": "C", "transactionId": "T"}, True), ({"customerId": "D"}, False)):
        assert expected is msgspec.convert(reply | echo, wire.IdentifyReply).answers(request)


def test_a_redemption_is_confirmed_by_an_answer_that_is_about_it() -> None:
    """An answer that tells of other points than were asked for is not the answer."""
    basket = Basket(amount=Decimal(20), lines=(), channel=CHANNEL, redeem_points=500)
    request = wire.calculate_request(SESSION, basket)
    assert msgspec.json.decode(wire.encode(request))["redeemPoints"] == 500
    reply = msgspec.json.decode(CALCULATE_REPLY)
    for redemption, expected in ((None, True), ({"points": 500}, True), ({"points": 499}, False)):
        told = msgspec.convert(reply | {"redemption": redemption}, wire.CalculateReply)
        assert expected is told.answers(request)


amounts = st.decimals(min_value=0, max_value=9_999_999_999, places=4, allow_nan=False, allow_infinity=False)
quantities = st.decimals(min_value="0.0001", max_value=999_999, places=4, allow_nan=False, allow_infinity=False)
prices = st.none() | st.decimals(min_value=0, max_value=9_999_999_999, places=6, allow_nan=False, allow_infinity=False)
shapes = st.sampled_from([str, lambda number: f"{number.normalize():E}"])


@given(amount=amounts, lines=st.lists(st.tuples(quantities, prices), max_size=5), shape=shapes)
def test_every_number_goes_out_exactly_and_without_an_exponent(
    amount: Decimal, lines: list[tuple[Decimal, Decimal | None]], shape: object
) -> None:
    """However a decimal is written inside, PDI reads the same number in plain digits."""
    assert callable(shape)
    basket = Basket(
        amount=Decimal(shape(amount)),
        lines=tuple(
            BasketLine("SKU", Decimal(shape(quantity)), None if price is None else Decimal(shape(price)))
            for quantity, price in lines
        ),
        channel=CHANNEL,
    )
    body = wire.encode(wire.calculate_request(SESSION, basket))
    read = msgspec.json.Decoder(dict[str, object], float_hook=Decimal).decode(body)
    assert amount == read["transactionAmount"]
    items = read["items"]
    assert isinstance(items, list)
    assert [quantity for quantity, _ in lines] == [item["qty"] for item in items]
    assert [price for _, price in lines] == [item.get("unitPrice") for item in items]
    assert re.search(rb"[0-9][eE]", body) is None
