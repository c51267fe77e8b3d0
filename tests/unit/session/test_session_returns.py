"""The transitions that returns make, from every situation they meet, and what each leaves behind."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
import pytest

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import IllegalTransition
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.purchase_return import SALE_NOT_BOOKED, PurchaseReturn, ReturnedSoFar, ReturnStatus
from loyalty_core.domain.return_request import ReturnedShare
from loyalty_core.domain.returns import BookedTotals, ReturnFigures, SettledReturn
from loyalty_core.domain.session import Session, SessionStatus
from loyalty_core.domain.session_returns import (
    attempt_return,
    begin_return,
    booked_totals,
    complete_return,
    find_return,
    freeze_return,
    is_next,
    promise_return,
    reject_return,
    settled_returns,
    take_back_return,
)
from tests.unit.session.examples import LATER, LEASE, NOW, SITUATIONS, a_delivery, an_intent, finalizing

ALL: Final = ReturnedShare(("1",))
HALF: Final = ReturnedShare(("1/2",))
FIGURES: Final = ReturnFigures(points_reversed=225, points_restored=0)
R1: Final = ReturnId("R-1")
FINALIZED: Final = SITUATIONS["finalized"]()


def a_return(number: int = 2, share: ReturnedShare = HALF, **fields: object) -> PurchaseReturn:
    goods = PurchaseReturn(
        id=ReturnId(f"R-{number - 1}"),
        fingerprint="e" * 64,
        share=share,
        delivery=Delivery(number=number, begun_at=NOW, next_attempt_at=LEASE, claimed_until=LEASE),
        created_at=NOW,
    )
    return msgspec.structs.replace(goods, **fields)


def told(points: int = 225) -> ReturnedSoFar:
    return ReturnedSoFar(
        figures=ReturnFigures(points, 0), remaining_points=450 - points, session_status="partially_returned"
    )


def with_returns(*returns: PurchaseReturn, session: Session = FINALIZED) -> Session:
    return msgspec.structs.replace(session, returns=returns, intents=1 + len(returns))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_return_begins_behind_a_sale_that_is_booked_or_about_to_be(situation: str) -> None:
    """In every other state it is refused, and nothing has changed."""
    session = SITUATIONS[situation]()
    possible = session.status in {
        SessionStatus.FINALIZING,
        SessionStatus.FINALIZED,
        SessionStatus.PARTIALLY_RETURNED,
        SessionStatus.RETURNED,
    }
    if not possible:
        with pytest.raises(IllegalTransition, match=r"^return is not possible while the session is "):
            begin_return(session, a_return())
        return
    begun = begin_return(session, a_return())
    assert msgspec.structs.replace(session, version=8, intents=2, returns=(a_return(),)) == begun


CHANGES: Final[dict[str, Callable[[Session], Session]]] = {
    "attempt": lambda session: attempt_return(session, R1, a_delivery()),
    "freeze": lambda session: freeze_return(session, R1, FIGURES),
    "promise": lambda session: promise_return(session, R1, a_delivery(), told(), NOW),
    "take back": lambda session: take_back_return(session, R1),
    "reject": lambda session: reject_return(session, R1, "no", NOW),
    "complete": lambda session: complete_return(session, R1, FIGURES, NOW),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "returns",
    [
        pytest.param((), id="none"),
        pytest.param((a_return(3),), id="another"),
        *(
            pytest.param((a_return(status=status),), id=status.value)
            for status in (ReturnStatus.RETURNED, ReturnStatus.REJECTED, ReturnStatus.VOID)
        ),
    ],
)
def test_what_is_not_owed_does_not_change(change: str, returns: tuple[PurchaseReturn, ...]) -> None:
    """A return that is not there, or has ended, is left as it is."""
    with pytest.raises(IllegalTransition, match=r"^settle a return is not possible while the session is "):
        CHANGES[change](with_returns(*returns))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_one_version_and_leaves_other_returns_alone(change: str) -> None:
    """Whichever it is."""
    session = with_returns(a_return(2), a_return(3))
    after = CHANGES[change](session)
    assert session.version + 1 == after.version
    assert session.returns[1] == after.returns[-1]


def test_an_attempt_changes_how_its_return_is_delivered() -> None:
    """And nothing of what it takes."""
    begun = a_return().delivery.begin_attempt(LATER, LEASE)
    assert a_return(delivery=begun) == attempt_return(with_returns(a_return()), R1, begun).returns[0]


def test_the_first_promise_stands() -> None:
    """What a POS was told first is what every repeat is told."""
    once = promise_return(with_returns(a_return()), R1, a_delivery(), told(225), NOW)
    twice = promise_return(once, R1, a_delivery(), told(200), LATER)
    goods = find_return(twice, R1)
    assert goods is not None
    # The delivery is the later one's; what was told is the first one's.
    assert (told(225), LATER) == (goods.answered, goods.delivery.accepted_at)
    kept = promise_return(once, R1, once.returns[0].delivery, told(200), LATER)
    assert (told(225), NOW) == (kept.returns[0].answered, kept.returns[0].delivery.accepted_at)
    assert (True, True) == (goods.is_promised, goods.is_owed)


@pytest.mark.parametrize(
    "delivery",
    [
        pytest.param(a_delivery(unanswered=1), id="unanswered"),
        pytest.param(msgspec.structs.replace(a_delivery(), accepted_at=NOW), id="promised"),
    ],
)
def test_what_may_be_booked_or_was_promised_is_not_taken_back(delivery: Delivery) -> None:
    """A promise is kept, and a send without an answer may have been booked."""
    with pytest.raises(IllegalTransition, match=r"^take back a return is not possible while the session is "):
        take_back_return(with_returns(a_return(delivery=delivery)), R1)


def test_what_is_taken_back_leaves_its_number() -> None:
    """The next intent has another key."""
    after = take_back_return(with_returns(a_return()), R1)
    assert ((), 2, SessionStatus.FINALIZED) == (after.returns, after.intents, after.status)


def test_a_rejected_return_says_why() -> None:
    """It owes nothing any more and takes nothing of the sale."""
    (goods,) = reject_return(with_returns(a_return()), R1, "no", LATER).returns
    assert (ReturnStatus.REJECTED, "no", LATER, None) == (
        goods.status, goods.failure, goods.settled_at, goods.delivery.next_attempt_at
    )  # fmt: skip
    assert (False, False) == (goods.stands, goods.is_owed)


@pytest.mark.parametrize(
    ("shares", "status"),
    [
        ((HALF,), SessionStatus.PARTIALLY_RETURNED),
        ((ALL,), SessionStatus.RETURNED),
        ((HALF, HALF), SessionStatus.RETURNED),
        ((HALF, ReturnedShare(("1/3",))), SessionStatus.PARTIALLY_RETURNED),
    ],
)
def test_the_sale_is_returned_once_every_line_is_back(shares: tuple[ReturnedShare, ...], status: SessionStatus) -> None:
    """Before that it is partially returned; points and times are the sums and the last of the returns."""
    session = with_returns(*(a_return(number, share) for number, share in enumerate(shares, 2)))
    for number, goods in enumerate(session.returns, 1):
        session = complete_return(session, goods.id, ReturnFigures(10 * number, number), LATER)
    last = session.returns[-1]
    total = sum(10 * number for number in range(1, len(shares) + 1))
    assert (status, LATER, total) == (session.status, session.closed_at, session.points_reversed)
    assert sum(range(1, len(shares) + 1)) == session.points_restored
    assert ReturnFigures(10 * len(shares), len(shares)) == last.figures
    assert (None, None) == (last.delivery.next_attempt_at, last.delivery.claimed_until)
    assert ReturnedSoFar(figures=ReturnFigures(10 * len(shares), len(shares)), remaining_points=450 - total,
                         session_status=status.value) == last.answered  # fmt: skip
    assert (ReturnStatus.RETURNED, LATER, True, False) == (last.status, last.settled_at, last.stands, last.is_owed)


def test_rejected_returns_do_not_count_towards_the_whole() -> None:
    """What the host refused is still with the customer."""
    session = with_returns(a_return(2, status=ReturnStatus.REJECTED), a_return(3))
    assert SessionStatus.PARTIALLY_RETURNED is complete_return(session, ReturnId("R-2"), FIGURES, NOW).status


def test_totals_are_the_hosts_once_it_has_booked() -> None:
    """Before that they are what was intended."""
    owed = finalizing(a_delivery(), an_intent(redeem_points=1000))
    assert owed.intent is not None
    assert BookedTotals(owed.intent.quote.earned_points, 1000) == booked_totals(owed)
    booked = msgspec.structs.replace(FINALIZED, redeemed_points=700)
    assert BookedTotals(450, 700) == booked_totals(booked)


def test_settled_returns_are_those_the_host_has_booked() -> None:
    """In the order of their intents."""
    returned = a_return(2, status=ReturnStatus.RETURNED, figures=FIGURES)
    refused = a_return(4, ALL, status=ReturnStatus.REJECTED, figures=FIGURES)
    session = with_returns(returned, a_return(3), refused)
    assert (SettledReturn(HALF, FIGURES),) == settled_returns(session)


def test_returns_go_one_after_the_other() -> None:
    """The first that is owed is next, once the sale is booked."""
    session = with_returns(a_return(2, status=ReturnStatus.RETURNED), a_return(3), a_return(4))
    assert [False, True, False] == [is_next(session, goods.id) for goods in session.returns]
    waiting = msgspec.structs.replace(finalizing(a_delivery()), returns=(a_return(),))
    assert not is_next(waiting, R1)
    assert not is_next(with_returns(a_return(2, status=ReturnStatus.RETURNED)), R1)


ENDINGS: Final[dict[str, Callable[[Session, datetime], Session]]] = {
    "fail": lambda session, now: session.fail("no", now),
    "revert": lambda session, now: session.revert(now),
    "cancel": lambda session, now: session.cancel(now),
    "abandon": lambda session, now: msgspec.structs.replace(
        session, delivery=session.delivery and session.delivery.park(now)
    ).abandon("given up", now),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_sale_that_is_not_booked_voids_the_returns_behind_it(ending: str) -> None:
    """Those that were owed; what had ended before stays as it ended."""
    rejected = a_return(2, status=ReturnStatus.REJECTED, failure="no")
    session = msgspec.structs.replace(finalizing(a_delivery()), returns=(rejected, a_return(3)))
    kept, void = ENDINGS[ending](session, NOW).returns
    assert rejected == kept
    assert (ReturnStatus.VOID, SALE_NOT_BOOKED, NOW, None) == (
        void.status, void.failure, void.settled_at, void.delivery.next_attempt_at
    )  # fmt: skip
