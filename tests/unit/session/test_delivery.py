"""The record of a delivery: what is tried, answered and still owed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_core.domain.delivery import Delivery
from tests.unit.session.examples import LATER, LEASE, NOW, a_delivery


def test_a_send_counts_as_unanswered_before_it_happens() -> None:
    """From the commit of an attempt on, the host may have acted."""
    begun = a_delivery().begin_attempt(NOW, LEASE)

    expected = Delivery(
        number=1, begun_at=NOW, next_attempt_at=LEASE, attempts=1, unanswered=1, sent_at=NOW, claimed_until=LEASE
    )
    assert expected == begun == a_delivery().claim(LATER).begin_attempt(NOW, LEASE)
    assert not begun.is_unsent


def test_a_send_that_never_left_makes_the_delivery_unsent_again() -> None:
    """Where the only send did not reach the host, nothing has."""
    back = a_delivery().begin_attempt(NOW, LEASE).attempt_never_left(LEASE, "refused", LATER)

    assert (True, 1, None, LATER, "refused") == (
        back.is_unsent,
        back.attempts,
        back.claimed_until,
        back.next_attempt_at,
        back.last_error,
    )


def test_a_send_that_never_left_hides_no_earlier_one() -> None:
    """While an earlier send is unanswered, the delivery stays sent."""
    twice = a_delivery().begin_attempt(NOW, LEASE).begin_attempt(LATER, LEASE)

    once = twice.attempt_never_left(LEASE, "refused", LATER)

    assert (False, 1, LATER) == (once.is_unsent, once.unanswered, once.sent_at)


def test_silence_leaves_the_send_unanswered() -> None:
    """No answer is no answer, however long ago."""
    silent = a_delivery().begin_attempt(NOW, LEASE).attempt_unanswered(LEASE, "timeout", LATER)

    assert (1, False, "timeout", LATER, None) == (
        silent.unanswered,
        silent.is_unsent,
        silent.last_error,
        silent.next_attempt_at,
        silent.claimed_until,
    )


def test_a_definite_no_answers_one_send_and_does_not_unsend_it() -> None:
    """The host has judged it, so cancelling is over; only the doubt is gone."""
    refused = a_delivery().begin_attempt(NOW, LEASE).attempt_refused(LEASE, "insufficient_points", LATER)

    assert (0, False) == (refused.unanswered, refused.is_unsent)
    assert (None, LATER, "insufficient_points") == (refused.claimed_until, refused.next_attempt_at, refused.last_error)


def test_a_deferred_try_counts_towards_the_back_off() -> None:
    """A try that ended before a send is a try, and not a send."""
    deferred = a_delivery(claimed=True).defer(LEASE, "circuit_open", LATER)

    assert (1, 0, LATER, None, True) == (
        deferred.attempts,
        deferred.unanswered,
        deferred.next_attempt_at,
        deferred.claimed_until,
        deferred.is_unsent,
    )


@pytest.mark.parametrize("outcome", ["attempt_never_left", "attempt_unanswered", "attempt_refused", "defer"])
def test_a_late_outcome_leaves_anothers_claim_alone(outcome: str) -> None:
    """Whoever has claimed the row since keeps it, with its times."""
    theirs = a_delivery().begin_attempt(NOW, LEASE).claim(LATER)

    after = getattr(theirs, outcome)(LEASE, "late", NOW)

    assert (LATER, LATER, "late") == (after.claimed_until, after.next_attempt_at, after.last_error)


def test_a_claim_ends() -> None:
    """A lease protects until its end and not at it; an unclaimed delivery is nobody's."""
    claimed = a_delivery().claim(LEASE)

    assert (True, False, False) == (claimed.is_claimed(NOW), claimed.is_claimed(LEASE), a_delivery().is_claimed(NOW))


def test_a_lease_given_back() -> None:
    """Released untouched, the row is due when its worker says."""
    released = a_delivery().claim(LEASE).release(LATER)

    assert (None, LATER, 0) == (released.claimed_until, released.next_attempt_at, released.attempts)


def test_parking_and_unparking() -> None:
    """A parked row is due never; an operator makes it due at once."""
    parked = a_delivery(unanswered=1, claimed=True).park(NOW)
    unparked = parked.unpark(LATER)

    assert (NOW, None, None) == (parked.parked_at, parked.next_attempt_at, parked.claimed_until)
    assert (None, LATER, 1) == (unparked.parked_at, unparked.next_attempt_at, unparked.unanswered)


def test_settling_keeps_the_history() -> None:
    """What is settled is due never, and still tells how it got there."""
    settled = a_delivery(unanswered=1, attempts=3, claimed=True).park(NOW).settle()

    assert (None, None, None, 3, 1) == (
        settled.next_attempt_at,
        settled.claimed_until,
        settled.parked_at,
        settled.attempts,
        settled.unanswered,
    )


def test_the_first_acceptance_stands() -> None:
    """A promise is made once."""
    assert NOW == a_delivery().accept(NOW).accept(LATER).accepted_at


@given(st.lists(st.sampled_from(["begin", "never_left", "silent", "refused", "defer", "claim"]), max_size=30))
def test_unanswered_counts_sends_without_a_definite_answer(steps: list[str]) -> None:
    """In any order of sends and answers, the doubt is the number of sends less the definite answers."""
    delivery, sends, definite = a_delivery(), 0, 0
    for step in steps:
        if step == "begin":
            delivery, sends = delivery.begin_attempt(NOW, LEASE), sends + 1
        elif step == "defer":
            delivery = delivery.defer(LEASE, "later", LATER)
        elif step == "claim":
            delivery = delivery.claim(LATER)
        elif sends == definite:
            continue  # an answer without a send cannot come
        elif step == "silent":
            delivery = delivery.attempt_unanswered(LEASE, "timeout", LATER)
        else:
            definite += 1
            answer = delivery.attempt_refused if step == "refused" else delivery.attempt_never_left
            delivery = answer(LEASE, step, LATER)
        assert sends - definite == delivery.unanswered
        assert not (delivery.is_unsent and delivery.unanswered)


def test_a_delivery_reads_back_from_what_is_stored() -> None:
    """Nothing of the record is lost on the way through JSON."""
    full = a_delivery(unanswered=2, attempts=4, claimed=True).park(NOW).accept(LATER)
    assert full == msgspec.json.decode(msgspec.json.encode(full), type=Delivery)
