"""What each transition leaves behind beyond the status."""

from datetime import timedelta

import msgspec
import pytest

from loyalty_core.domain.errors import IllegalTransition, SettlementFailed, VersionMismatch
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import HostReceipt, SessionStatus
from tests.unit.session.examples import (
    ACTIVE,
    CALCULATED,
    CUSTOMER,
    EMPTY,
    LATER,
    LEASE,
    NOW,
    QUOTE,
    SITUATIONS,
    a_delivery,
    a_quote,
    an_intent,
    finalizing,
)


def test_a_quote_is_kept() -> None:
    """The quote a POS was shown is the session's from then on."""
    assert QUOTE == ACTIVE.quoted(QUOTE, NOW).quote


def test_an_empty_basket_forgets_the_quote() -> None:
    """Emptying the basket takes the session back to where it was before it was quoted."""
    assert msgspec.structs.replace(ACTIVE, version=8) == CALCULATED.quoted(EMPTY, NOW)


def test_late_identification_brings_the_hosts_handle_and_tier() -> None:
    """What the host says of the customer counts from then on, the opening answer stays as it was."""
    unknown = msgspec.structs.replace(ACTIVE, host_session=None, tier=None)

    known = unknown.host_identified(HostSessionId("pdi-9"), Member(CUSTOMER, "Platinum"))

    assert ("pdi-9", "Platinum") == (known.host_session, known.tier)
    # What is booked was booked for the tier that it was booked with.
    settled = msgspec.structs.replace(SITUATIONS["finalized"](), host_session=None, tier="Gold")
    after = settled.host_identified(HostSessionId("pdi-9"), Member(CUSTOMER, "Platinum"))
    assert ("pdi-9", "Gold") == (after.host_session, after.tier)


@pytest.mark.parametrize("situation", ["active", "calculated", "finalizing, unanswered"])
def test_a_lost_host_session_is_forgotten(situation: str) -> None:
    """A handle that the host no longer knows is not sent again; nothing else changes."""
    before = SITUATIONS[situation]()

    assert msgspec.structs.replace(before, host_session=None, version=8) == before.host_session_lost()


def test_cancelling_before_the_intent_closes_the_session() -> None:
    """The key is free again, the time is on record, and there is nothing to deliver."""
    cancelled = CALCULATED.cancel(NOW)

    assert (NOW, False, 0) == (cancelled.closed_at, cancelled.holds_its_key, cancelled.earned_points)
    assert cancelled.delivery is None


def test_cancelling_an_unsent_intent_takes_it_from_the_workers() -> None:
    """What was queued and not sent is owed no more."""
    delivery = finalizing(a_delivery()).cancel(NOW).delivery

    assert delivery is not None
    assert (None, None) == (delivery.next_attempt_at, delivery.claimed_until)


def test_an_unsent_intent_can_be_cancelled_once_its_lease_has_ended() -> None:
    """A claim that ran out protects nobody."""
    assert SessionStatus.CANCELLED is finalizing(a_delivery(claimed=True)).cancel(LEASE).status


def test_expiry_soft_deletes() -> None:
    """An expired session says why it failed, since when, and gives its key back."""
    expired = SITUATIONS["calculated, past its time"]().expire(NOW)

    assert ("expired", NOW, NOW, False) == (
        expired.failure,
        expired.deleted_at,
        expired.closed_at,
        expired.holds_its_key,
    )


def test_an_intent_is_numbered() -> None:
    """The session knows the number of its last intent, so that the next key is a new one."""
    intended = CALCULATED.begin_finalize(an_intent(), a_delivery(claimed=True), NOW)

    assert (an_intent(), a_delivery(claimed=True), 1) == (intended.intent, intended.delivery, intended.intents)


@pytest.mark.parametrize("resumes", [ACTIVE, CALCULATED])
def test_a_reverted_intent_leaves_its_number_only(resumes: msgspec.Struct) -> None:
    """After a definite no the session is as before the intent, but for the number that its key has used up."""
    before = ACTIVE if resumes is ACTIVE else CALCULATED
    intent = an_intent(resumes=before.status)

    reverted = before.begin_finalize(intent, a_delivery(), NOW).revert(NOW)

    assert msgspec.structs.replace(before, version=9, intents=1) == reverted


def test_a_sale_without_rewards_is_settled_at_once() -> None:
    """Nothing is earned, the balance is the one last told, and nothing is owed."""
    finished = CALCULATED.finalize_without_rewards(an_intent(), NOW)

    assert HostReceipt(earned_points=0, new_balance=1200) == finished.receipt
    assert an_intent() == finished.intent
    assert (NOW, NOW, None, 0) == (finished.finalized_at, finished.closed_at, finished.delivery, finished.earned_points)


def test_a_sale_without_rewards_tells_no_balance_that_was_only_remembered() -> None:
    """A provisional opening is no source for a balance."""
    provisional = msgspec.structs.replace(
        CALCULATED, opening=msgspec.structs.replace(CALCULATED.opening, provisional=True)
    )

    assert HostReceipt(earned_points=0) == provisional.finalize_without_rewards(an_intent(), NOW).receipt


def test_recomputing_changes_the_figures_of_an_unsent_intent() -> None:
    """A tier learnt late counts, as long as no figure has left the house."""
    dearer = a_quote(tier="Platinum")

    intent = finalizing(a_delivery()).recompute(dearer).intent

    assert msgspec.structs.replace(an_intent(), quote=dearer) == intent


def test_the_first_promise_stands() -> None:
    """A second 202 changes neither the time of the promise nor its figure."""
    first = finalizing(a_delivery()).promise(a_delivery(), NOW)
    assert first.intent is not None
    assert first.delivery is not None
    dearer = msgspec.structs.replace(first, intent=msgspec.structs.replace(first.intent, quote=a_quote("300.00")))

    second = dearer.promise(first.delivery, LATER)

    assert second.intent is not None
    assert (True, first.delivery, 450) == (second.is_promised, second.delivery, second.intent.promised_points)


def test_a_booking_settles() -> None:
    """The host's figures stand, what was redeemed is on record, and nothing is owed."""
    receipt = HostReceipt(earned_points=451, new_balance=2000)
    before = finalizing(a_delivery(unanswered=1, claimed=True), an_intent(redeem_points=100))

    after = before.complete(receipt, LATER)

    assert (receipt, 451, 100, LATER, LATER) == (
        after.receipt,
        after.earned_points,
        after.redeemed_points,
        after.finalized_at,
        after.closed_at,
    )
    assert after.delivery is not None
    assert (None, None) == (after.delivery.next_attempt_at, after.delivery.claimed_until)


@pytest.mark.parametrize("end", ["fail", "abandon"])
def test_a_failure_has_its_reason_and_keeps_its_key(end: str) -> None:
    """A sale that failed after it had been queued can be read up, and its transaction is not sold twice."""
    before = SITUATIONS["finalizing, parked" if end == "abandon" else "finalizing, all answered"]()

    after = before.abandon("gone", LATER) if end == "abandon" else before.fail("gone", LATER)

    assert ("gone", LATER, True, 0) == (after.failure, after.closed_at, after.holds_its_key, after.earned_points)
    assert after.delivery is not None
    assert (None, None) == (after.delivery.next_attempt_at, after.delivery.parked_at)
    with pytest.raises(SettlementFailed) as refused:
        after.check_open("finalize", LATER)
    assert "gone" == refused.value.reason


def test_a_refusal_names_what_is_allowed() -> None:
    """An illegal call is told the status and the calls that would be legal; cancel is pointed to return."""
    with pytest.raises(IllegalTransition) as refused:
        SITUATIONS["finalized"]().cancel(NOW)

    assert ("cancel", "finalized", ("return",)) == (refused.value.call, refused.value.status, refused.value.allowed)


def test_the_version_is_checked_only_where_one_is_named() -> None:
    """Without `If-Match` any version will do; with it only that one, and the current one is told."""
    ACTIVE.check_version(None)
    ACTIVE.check_version(7)
    with pytest.raises(VersionMismatch) as refused:
        ACTIVE.check_version(6)
    assert 7 == refused.value.current


@pytest.mark.parametrize(
    ("situation", "points"),
    [
        ("active", 0),
        ("calculated", 450),
        ("finalizing, unsent", 450),
        ("finalized", 450),
        ("failed, refused", 0),
        ("cancelled", 0),
    ],
)
def test_earned_points(situation: str, points: int) -> None:
    """Booked, else intended, else quoted, else none."""
    assert points == SITUATIONS[situation]().earned_points


def test_an_intent_without_rewards_earns_nothing() -> None:
    """Points that were quoted and not wanted are not earned."""
    unwanted = msgspec.structs.replace(an_intent(), apply_rewards=False)
    assert 0 == finalizing(a_delivery(), unwanted).earned_points


@pytest.mark.parametrize(
    ("situation", "at", "expected"),
    [
        ("finalizing, unsent, claimed", NOW, True),
        ("finalizing, unsent, claimed", LEASE - timedelta(microseconds=1), True),
        ("finalizing, unsent, claimed", LEASE, False),
        ("finalizing, unsent", NOW, False),
        ("finalizing, promised", NOW, False),
        ("calculated", NOW, False),
    ],
)
def test_in_flight(situation: str, at: object, expected: bool) -> None:
    """A finalize is in flight while its lease lasts and nothing was promised; the lease ends to the microsecond."""
    assert expected is SITUATIONS[situation]().is_in_flight(at)  # type: ignore[arg-type]  # parametrised as object


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_key_is_given_back_only_where_nothing_was_sold(situation: str) -> None:
    """A cancelled session, and one that expired unsold, free their transaction; all others hold it."""
    assert (situation not in {"cancelled", "failed, expired"}) is SITUATIONS[situation]().holds_its_key


def test_an_opening_hides_the_customer() -> None:
    """No log shows a customer's name by way of a repr."""
    assert "Opening(tier='Gold', provisional=False)" == repr(ACTIVE.opening)
