"""Quotes by the program in force, and what becomes of one when the program changes."""

import msgspec
import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.errors import RejectedByHost
from loyalty_core.domain.identifiers import QuoteId
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.session import HostReceipt, SessionStatus
from loyalty_core.ports.loyalty_host import FinalizeOrder, HostRejection, HostSessionUnknown, HostSilence
from loyalty_core.use_cases.pricing import Authority
from tests.unit.use_cases.shop import ADA, Shop, calculate, finalize

YEN = msgspec.structs.replace(built_in_program(), currency="JPY", minor_units=0)
"""A program in which no amount has cents."""


async def test_a_tier_learnt_late_is_counted_before_the_sale_is_sent() -> None:
    """Promised at the base rate, delivered with the tier; the POS was told that the figure was provisional."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened()
    shop.host.closed_for = 5
    promised = await shop.finalize(finalize(session_id, "12.50"))
    shop.host.closed_for = 0

    await shop.until_settled()

    assert (25, [("1", 37)]) == (promised.answer.earned_points, shop.booked())


async def test_a_program_that_cannot_compute_what_is_owed_leaves_it_as_it_was() -> None:
    """A program swapped while a sale is queued must neither stop its delivery nor that of the others in the round."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened()
    shop.host.closed_for = 5
    await shop.finalize(finalize(session_id, "12.50"))
    shop.host.closed_for = 0
    shop.programs.program = YEN

    await shop.until_settled()

    assert SessionStatus.FINALIZED is (await shop.session(session_id)).status
    assert [("1", 25)] == shop.booked()


async def test_a_quote_is_explained_under_its_own_program_only() -> None:
    """Once another program is in force, its lines would explain other figures."""
    shop = Shop(authority=Authority.LOCAL)
    session_id = await shop.quoted("150.00")
    assert (await shop.calculate(calculate(session_id, "150.00"))).lines
    shop.programs.program = msgspec.structs.replace(built_in_program(), version="2")

    assert () == (await shop.calculate(calculate(session_id, "150.00"))).lines


async def test_the_hosts_figure_is_not_computed_again() -> None:
    """What the host has said of a basket stands, whatever tier we learn."""
    shop = Shop()
    session = await shop.session(await shop.quoted())
    assert session.quote is not None

    assert session.quote is shop.pricing.with_tier(session.quote, ADA.customer_id, "Bronze")


async def test_what_was_sent_once_is_never_computed_again() -> None:
    """A key names one body: also where the host forgets its session, and a tier is learnt with the next one."""
    shop = Shop(authority=Authority.LOCAL)
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened()
    quote = await shop.calculate(calculate(session_id))  # at the base rate: the customer is not known yet
    shop.host.plan(HostCall.FINALIZE, Course(error=HostRejection("not now")))
    with pytest.raises(RejectedByHost):
        await shop.finalize(finalize(session_id))  # but now they are
    sent: list[FinalizeOrder] = []
    send = shop.host.finalize

    async def overheard(order: FinalizeOrder, *, within: float) -> HostReceipt:
        sent.append(order)
        return await send(order, within=within)

    shop.host.finalize = overheard  # type: ignore[method-assign]  # an ear on the line
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSessionUnknown("session_unknown")))

    done = await shop.finalize(finalize(session_id, quote_id=QuoteId(quote.quote_id)))

    assert 2 == len(sent)
    assert sent[0] == msgspec.structs.replace(sent[1], host_session=sent[0].host_session)
    assert (300, 300) == (quote.earned_points, done.answer.earned_points)
