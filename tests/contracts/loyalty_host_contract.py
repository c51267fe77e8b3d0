"""The promises of the `LoyaltyHost` port.

An adapter's test class (all of them are in `test_loyalty_host.py`) subclasses `LoyaltyHostContract` and supplies the
`stage` fixture: the host under test, and a hand on whatever is behind it. What the host has done is looked up through
the port alone.
"""

import asyncio
import time
from decimal import Decimal
from enum import Enum, auto
from typing import Final, Protocol

import msgspec
import pytest

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.identifiers import ChannelId, CustomerId, HostSessionId, ReceiptId, ReturnId, TransactionId
from loyalty_core.ports.loyalty_host import (
    CommitKind,
    FinalizeOrder,
    HostCommit,
    HostError,
    HostNotJudged,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
    LoyaltyHost,
    ReturnOrder,
)

CHANNEL: Final = ChannelId("POS-001")
TRANSACTION: Final = TransactionId("TXN-67890")
JOHN: Final = CustomerId("CUST-12345")
"""Known to every stage: John Doe, Gold, 5000 points."""
NOBODY: Final = CustomerId("CUST-NOBODY")
"""Known to none."""
SALE: Final = Basket(amount=Decimal("150.00"), lines=(BasketLine("SKU-001", Decimal(2)),), channel=CHANNEL)
"""Earns a Gold member 300 base points and 150 bonus points; 100 points redeem one currency unit."""


class Trouble(Enum):
    """What may befall the next call, and every one after it until `heal`."""

    AWAY = auto()
    """Nothing reaches the host."""
    BUSY = auto()
    """The host turns calls away unread, and asks for 7 seconds."""
    DISTRUST = auto()
    """The host accepts no credentials of ours."""
    FAILING = auto()
    """The host reads the call, does nothing, and gives no answer of any use."""
    CUT_AFTER_COMMIT = auto()
    """The host does what it is asked, and its answer is lost."""
    HANGING = auto()
    """The host takes the call and never answers."""
    REFUSING = auto()
    """The host says no to everything, with the reason `transaction_rejected`."""


class Stage(Protocol):
    """A host, and what is behind it."""

    host: LoyaltyHost

    async def bring(self, trouble: Trouble) -> None:
        """From now on this befalls every call."""
        ...

    async def heal(self) -> None:
        """No trouble any more."""
        ...

    async def lose_sessions(self) -> None:
        """The host forgets every session in which nothing was booked."""
        ...


def order(session: HostSessionId, key: str = "s:1", *, redeem: int = 0, earned: int = 450) -> FinalizeOrder:
    """A finalize of the sample sale."""
    basket = Basket(amount=SALE.amount, lines=SALE.lines, channel=CHANNEL, redeem_points=redeem)
    return FinalizeOrder(
        key=key,
        host_session=session,
        transaction=TRANSACTION,
        basket=basket,
        earned_points=earned,
        program_version="2025.1",
        receipt=ReceiptId("RCP-2025-001"),
    )


def giving_back(session: HostSessionId, key: str = "s:r1", *, reversed_points: int = 150) -> ReturnOrder:
    """A return of a third of the sample sale."""
    return ReturnOrder(
        key=key,
        host_session=session,
        return_id=ReturnId("RET-1"),
        points_reversed=reversed_points,
        points_restored=0,
    )


class LoyaltyHostContract:
    """What every host does, whatever it is made of."""

    async def identified(self, stage: Stage) -> HostSessionId:
        return (await stage.host.identify(CHANNEL, TRANSACTION, JOHN, within=5)).session

    async def commits(self, stage: Stage, session: HostSessionId) -> list[HostCommit]:
        return list((await stage.host.report(session, within=3)).commits)

    async def test_identify_tells_who_the_customer_is(self, stage: Stage) -> None:
        """Name, tier and balance, under the id that was asked for."""
        member = (await stage.host.identify(CHANNEL, TRANSACTION, JOHN, within=5)).member
        assert member.customer_id == JOHN
        assert (member.name, member.tier, member.points) == ("John Doe", "Gold", 5000)

    async def test_identify_is_idempotent_by_its_three_arguments(self, stage: Stage) -> None:
        """The same sale is the same session; another channel, transaction or customer is another."""
        session = await self.identified(stage)
        assert session == await self.identified(stage)
        others = [
            (ChannelId("POS-002"), TRANSACTION, JOHN),
            (CHANNEL, TransactionId("TXN-67891"), JOHN),
            (CHANNEL, TRANSACTION, CustomerId("CUST-BRONZE")),
        ]
        for other in others:
            assert session != (await stage.host.identify(*other, within=5)).session

    async def test_identify_refuses_an_unknown_customer(self, stage: Stage) -> None:
        """A definite no with a reason the POS can act on."""
        with pytest.raises(HostRejection) as no:
            await stage.host.identify(CHANNEL, TRANSACTION, NOBODY, within=5)
        assert no.value.reason == "invalid_customer"

    async def test_calculate_gives_the_figures_and_books_nothing(self, stage: Stage) -> None:
        """The published example, as often as it is asked."""
        session = await self.identified(stage)
        for _ in range(3):
            quote = await stage.host.calculate(session, SALE, within=8)
            assert (quote.base_points, quote.tier_bonus, quote.bonus_points) == (300, 150, 150)
            assert quote.earned_points == 450
            assert quote.multiplier == Decimal("3.0")
            assert not quote.redemption_confirmed
        assert await self.commits(stage, session) == []

    async def test_calculate_confirms_a_redemption_the_customer_can_pay(self, stage: Stage) -> None:
        """And refuses one that the balance does not cover."""
        session = await self.identified(stage)
        quote = await stage.host.calculate(session, order(session, redeem=1000).basket, within=8)
        assert quote.redemption_confirmed
        with pytest.raises(HostRejection) as no:
            await stage.host.calculate(session, order(session, redeem=5001).basket, within=8)
        assert no.value.reason == "insufficient_points"

    async def test_finalize_books_the_sale_once(self, stage: Stage) -> None:
        """Repeating it with its key gives the same receipt, and the books hold one commit under that key."""
        session = await self.identified(stage)
        first = await stage.host.finalize(order(session), within=10)
        assert (first.earned_points, first.new_balance) == (450, 5450)
        for _ in range(3):
            assert first == await stage.host.finalize(order(session), within=10)
        expected = [HostCommit(key="s:1", kind=CommitKind.ACCRUAL, points=450)]
        assert expected == await self.commits(stage, session)
        report = await stage.host.report(session, within=3)
        assert (report.status, report.earned_points) == ("finalized", 450)

    async def test_twins_of_one_finalize_book_it_once(self, stage: Stage) -> None:
        """Twenty at once, one key: one commit, and whoever is answered gets the same receipt."""
        session = await self.identified(stage)
        receipts = await asyncio.gather(*(stage.host.finalize(order(session), within=10) for _ in range(20)))
        assert all(receipt == receipts[0] for receipt in receipts)
        assert len(await self.commits(stage, session)) == 1

    async def test_finalize_books_a_redemption_beside_the_accrual(self, stage: Stage) -> None:
        """Both in one call, under one key."""
        session = await self.identified(stage)
        receipt = await stage.host.finalize(order(session, redeem=1000, earned=420), within=10)
        assert (receipt.earned_points, receipt.new_balance) == (420, 4420)
        kinds = {(commit.key, commit.kind) for commit in await self.commits(stage, session)}
        assert kinds == {("s:1", CommitKind.ACCRUAL), ("s:1", CommitKind.REDEMPTION)}

    async def test_a_return_is_booked_once(self, stage: Stage) -> None:
        """Repeating it with its key gives the same figures, and the books hold one reversal under that key."""
        session = await self.identified(stage)
        await stage.host.finalize(order(session), within=10)
        for _ in range(3):
            figures = await stage.host.send_return(giving_back(session), within=10)
            assert (figures.points_reversed, figures.points_restored) == (150, 0)
        reversals = [commit for commit in await self.commits(stage, session) if commit.kind is CommitKind.REVERSAL]
        assert [(commit.key, abs(commit.points)) for commit in reversals] == [("s:r1", 150)]

    async def test_a_return_gives_redeemed_points_back(self, stage: Stage) -> None:
        """Both directions in one call, under one key."""
        session = await self.identified(stage)
        await stage.host.finalize(order(session, redeem=1000, earned=420), within=10)
        whole = msgspec.structs.replace(giving_back(session, reversed_points=420), points_restored=1000)
        figures = await stage.host.send_return(whole, within=10)
        assert (figures.points_reversed, figures.points_restored) == (420, 1000)
        assert (await stage.host.identify(CHANNEL, TRANSACTION, JOHN, within=5)).member.points == 5000

    async def test_a_refused_finalize_books_nothing(self, stage: Stage) -> None:
        """The customer cannot pay; the corrected call under another key is judged afresh."""
        session = await self.identified(stage)
        with pytest.raises(HostRejection) as no:
            await stage.host.finalize(order(session, redeem=5001), within=10)
        assert no.value.reason == "insufficient_points"
        assert await self.commits(stage, session) == []
        assert (await stage.host.finalize(order(session, "s:2"), within=10)).new_balance == 5450

    async def test_a_lost_session_is_told_from_a_refusal(self, stage: Stage) -> None:
        """Identify again, then the same order with the same key goes through on the new session."""
        session = await self.identified(stage)
        await stage.lose_sessions()
        with pytest.raises(HostSessionUnknown):
            await stage.host.calculate(session, SALE, within=8)
        with pytest.raises(HostSessionUnknown):
            await stage.host.finalize(order(session), within=10)
        with pytest.raises(HostSessionUnknown):
            await stage.host.report(session, within=3)
        renewed = await self.identified(stage)
        assert (await stage.host.finalize(order(renewed), within=10)).new_balance == 5450

    async def test_a_session_that_never_was_is_unknown(self, stage: Stage) -> None:
        """In every call that names one."""
        never = HostSessionId("never")
        with pytest.raises(HostSessionUnknown):
            await stage.host.finalize(order(never), within=10)
        with pytest.raises(HostSessionUnknown):
            await stage.host.report(never, within=3)

    @pytest.mark.parametrize(
        ("trouble", "expected"),
        [
            (Trouble.AWAY, HostNotSent),
            (Trouble.BUSY, HostNotJudged),
            (Trouble.DISTRUST, HostRefusesUs),
            (Trouble.FAILING, HostSilence),
            (Trouble.REFUSING, HostRejection),
        ],
    )
    async def test_each_trouble_has_its_error_and_books_nothing(
        self, stage: Stage, trouble: Trouble, expected: type[HostError]
    ) -> None:
        """Exactly one error for each way a call can end, in every call, with a short stable reason."""
        session = await self.identified(stage)
        await stage.bring(trouble)
        raised = []
        for call in (
            stage.host.identify(CHANNEL, TRANSACTION, JOHN, within=1),
            stage.host.calculate(session, SALE, within=1),
            stage.host.finalize(order(session), within=1),
            stage.host.send_return(giving_back(session), within=1),
            stage.host.report(session, within=1),
        ):
            with pytest.raises(HostError) as caught:
                await call
            raised.append(caught.value)
        await stage.heal()
        assert [expected] * 5 == [type(error) for error in raised]
        for error in raised:
            assert 0 < len(error.reason) <= 64
            assert JOHN not in str(error)
            assert "John" not in str(error)
        assert await self.commits(stage, session) == []

    async def test_a_busy_host_says_when_to_come_back(self, stage: Stage) -> None:
        """In seconds."""
        session = await self.identified(stage)
        await stage.bring(Trouble.BUSY)
        with pytest.raises(HostNotJudged) as busy:
            await stage.host.finalize(order(session), within=10)
        assert busy.value.retry_after == 7

    async def test_a_refusal_carries_the_hosts_reason(self, stage: Stage) -> None:
        """The reason that a session fails with, for good."""
        session = await self.identified(stage)
        await stage.bring(Trouble.REFUSING)
        with pytest.raises(HostRejection) as no:
            await stage.host.finalize(order(session), within=10)
        assert no.value.reason == "transaction_rejected"

    async def test_what_was_committed_in_silence_is_found_and_not_doubled(self, stage: Stage) -> None:
        """The answer was lost: the report shows the key, and the repeat is answered without another commit."""
        session = await self.identified(stage)
        await stage.bring(Trouble.CUT_AFTER_COMMIT)
        with pytest.raises(HostSilence):
            await stage.host.finalize(order(session), within=10)
        await stage.heal()
        assert [commit.key for commit in await self.commits(stage, session)] == ["s:1"]
        assert (await stage.host.finalize(order(session), within=10)).new_balance == 5450
        assert len(await self.commits(stage, session)) == 1
        await stage.bring(Trouble.CUT_AFTER_COMMIT)
        with pytest.raises(HostSilence):
            await stage.host.send_return(giving_back(session), within=10)
        await stage.heal()
        assert [commit.key for commit in await self.commits(stage, session)] == ["s:1", "s:r1"]
        assert (await stage.host.send_return(giving_back(session), within=10)).points_reversed == 150
        assert len(await self.commits(stage, session)) == 2

    async def test_no_call_takes_longer_than_it_may(self, stage: Stage) -> None:
        """A host that never answers is silent when the time is up."""
        session = await self.identified(stage)
        await stage.bring(Trouble.HANGING)
        began = time.monotonic()
        with pytest.raises(HostSilence):
            await stage.host.finalize(order(session), within=0.2)
        assert time.monotonic() - began < 0.5

    async def test_a_call_without_time_is_not_made(self, stage: Stage) -> None:
        """Whatever came of it could not be used."""
        session = await self.identified(stage)
        with pytest.raises(HostNotSent):
            await stage.host.finalize(order(session), within=0)
        assert await self.commits(stage, session) == []

    async def test_a_healthy_host_is_available(self, stage: Stage) -> None:
        """At once."""
        await self.identified(stage)
        assert stage.host.unavailable_for() == 0
