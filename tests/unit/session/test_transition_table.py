"""Every transition from every situation, as the service's state table has it."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from loyalty_core.domain.errors import IllegalTransition, LoyaltyError, SessionExpired, SettlementFailed
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import HostReceipt, Session
from tests.unit.session.examples import CUSTOMER, EMPTY, LEASE, NOW, QUOTE, SITUATIONS, a_delivery, an_intent

TRANSITIONS: Final[dict[str, Callable[[Session], Session]]] = {
    "identified": lambda session: session.host_identified(HostSessionId("pdi-2"), Member(CUSTOMER, "Silver")),
    "lost": Session.host_session_lost,
    "quoted": lambda session: session.quoted(QUOTE, NOW),
    "emptied": lambda session: session.quoted(EMPTY, NOW),
    "cancel": lambda session: session.cancel(NOW),
    "expire": lambda session: session.expire(NOW),
    "intend": lambda session: session.begin_finalize(an_intent(), a_delivery(claimed=True), NOW),
    "no rewards": lambda session: session.finalize_without_rewards(an_intent(), NOW),
    "recompute": lambda session: session.recompute(QUOTE),
    "attempt": lambda session: session.attempt(a_delivery().begin_attempt(NOW, LEASE)),
    "promise": lambda session: session.promise(a_delivery(), NOW),
    "complete": lambda session: session.complete(HostReceipt(earned_points=450), NOW),
    "revert": lambda session: session.revert(NOW),
    "fail": lambda session: session.fail("insufficient_points", NOW),
    "abandon": lambda session: session.abandon("lost at the host", NOW),
}

# What the situation becomes: `=` the status stays, `-` the call is illegal, `exp` it is refused because the session
# has expired, `sf` because its settlement has failed.
BEFORE_THE_SALE: Final = """
                              identified lost quoted     emptied cancel    expire intend     no rewards
active                      | =        | =  | calculated | active | cancelled | -      | finalizing | finalized
calculated                  | =        | =  | calculated | active | cancelled | -      | finalizing | finalized
active, past its time       | =        | =  | exp        | exp    | exp       | failed | exp        | exp
calculated, past its time   | =        | =  | exp        | exp    | exp       | failed | exp        | exp
finalizing, unsent          | =        | =  | -          | -      | cancelled | -      | -          | -
finalizing, unsent, claimed | =        | =  | -          | -      | -         | -      | -          | -
finalizing, unanswered      | =        | =  | -          | -      | -         | -      | -          | -
finalizing, all answered    | =        | =  | -          | -      | -         | -      | -          | -
finalizing, promised        | =        | =  | -          | -      | cancelled | -      | -          | -
finalizing, parked          | =        | =  | -          | -      | -         | -      | -          | -
finalized                   | =        | =  | -          | -      | -         | -      | -          | -
partially returned          | =        | =  | -          | -      | -         | -      | -          | -
returned                    | =        | =  | -          | -      | -         | -      | -          | -
failed, refused             | -        | -  | sf         | sf     | sf        | -      | sf         | sf
failed, expired             | -        | -  | exp        | exp    | exp       | -      | exp        | exp
cancelled                   | -        | -  | -          | -      | -         | -      | -          | -
"""
AFTER_THE_INTENT: Final = """
                              recompute attempt promise complete revert fail abandon
active                      | -       | -     | -     | -         | -          | -      | -
calculated                  | -       | -     | -     | -         | -          | -      | -
active, past its time       | -       | -     | -     | -         | -          | -      | -
calculated, past its time   | -       | -     | -     | -         | -          | -      | -
finalizing, unsent          | =       | =     | =     | finalized | calculated | failed | -
finalizing, unsent, claimed | =       | =     | =     | finalized | calculated | failed | -
finalizing, unanswered      | -       | =     | =     | finalized | -          | -      | -
finalizing, all answered    | -       | =     | =     | finalized | calculated | failed | -
finalizing, promised        | =       | =     | =     | finalized | -          | failed | -
finalizing, parked          | -       | =     | =     | finalized | -          | -      | failed
finalized                   | -       | -     | -     | -         | -          | -      | -
partially returned          | -       | -     | -     | -         | -          | -      | -
returned                    | -       | -     | -     | -         | -          | -      | -
failed, refused             | -       | -     | -     | -         | -          | -      | -
failed, expired             | -       | -     | -     | -         | -          | -      | -
cancelled                   | -       | -     | -     | -         | -          | -      | -
"""
COLUMNS: Final = {BEFORE_THE_SALE: tuple(TRANSITIONS)[:8], AFTER_THE_INTENT: tuple(TRANSITIONS)[8:]}
CALLS: Final = {
    "identified": "identify",
    "lost": "identify again",
    "quoted": "calculateRewards",
    "emptied": "calculateRewards",
    "intend": "finalize",
    "no rewards": "finalize",
    "attempt": "deliver",
}
"""What a transition is called to whoever is refused it; the others go by their own names."""
ALLOWED: Final = {
    "active": ("calculateRewards", "finalize", "cancel"),
    "calculated": ("calculateRewards", "finalize", "cancel"),
    "finalizing": ("finalize with the same payload", "return", "getSessionStatus"),
    "finalized": ("return",),
    "partially_returned": ("return",),
}
"""What is offered instead; nothing where the sale is over."""
REFUSALS: Final[dict[str, type[LoyaltyError]]] = {
    "-": IllegalTransition,
    "exp": SessionExpired,
    "sf": SettlementFailed,
}


def _cells() -> Iterator[tuple[str, str, str]]:
    for table, columns in COLUMNS.items():
        for row in table.strip().splitlines()[1:]:
            situation, *cells = (cell.strip() for cell in row.split("|"))
            for transition, expected in zip(columns, cells, strict=True):
                yield situation, transition, expected


@pytest.mark.parametrize(("situation", "transition", "expected"), tuple(_cells()))
def test_transition(situation: str, transition: str, expected: str) -> None:
    """The situation allows or refuses the transition as the table says, and each transition is one version.

    A refusal names the call, the state it found and what would be possible in it.
    """
    before = SITUATIONS[situation]()

    if expected in REFUSALS:
        with pytest.raises(REFUSALS[expected]) as refused:
            TRANSITIONS[transition](before)
        if isinstance(refused.value, IllegalTransition):
            no = refused.value
            told = (CALLS.get(transition, transition), before.status.value, ALLOWED.get(before.status.value, ()))
            assert told == (no.call, no.status, no.allowed)
        return
    after = TRANSITIONS[transition](before)

    assert (before.status if expected == "=" else expected) == after.status
    assert before.version + 1 == after.version


def test_the_tables_are_complete() -> None:
    """No pair of a situation and a transition is left untested."""
    assert {(situation, transition) for situation in SITUATIONS for transition in TRANSITIONS} == {
        (situation, transition) for situation, transition, _ in _cells()
    }


@pytest.mark.parametrize("situation", SITUATIONS)
def test_nothing_but_the_named_transitions_touches_what_identifies_a_session(situation: str) -> None:
    """Whatever happens, a session keeps its id, owner, key, customer and opening answer."""
    before = SITUATIONS[situation]()
    for transition in TRANSITIONS.values():
        try:
            after = transition(before)
        except LoyaltyError:
            continue
        kept = ("id", "client", "channel", "transaction", "customer", "opening", "created_at", "expires_at")
        assert [getattr(before, name) for name in kept] == [getattr(after, name) for name in kept]
