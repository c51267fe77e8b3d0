"""What workers make of returns beyond the plain course of events."""

import msgspec

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.loyalty_host import CommitKind, HostCommit, HostNotSent, HostSilence
from loyalty_core.ports.session_store import Loaded
from tests.unit.use_cases.counter import LINES, amount, give_back, moved, sold, stored_return
from tests.unit.use_cases.shop import Shop, finalize, status

import pytest  # isort: skip

LOST = Course(error=HostSilence("timeout"), acts=True)
AWAY = Course(error=HostNotSent("connect_refused"))


def another(program: RewardProgram) -> RewardProgram:
    """The same program under another name, and so another hash."""
    return msgspec.structs.replace(program, version="another")


async def test_a_return_is_computed_under_the_program_of_its_sale() -> None:
    """Another program in force, one that excludes what was sold, changes nothing: the sale's own is kept."""
    shop = Shop()
    session_id = await sold(shop)
    await shop.archive.keep(shop.programs.program)
    exclusions = msgspec.structs.replace(shop.programs.program.exclusions, skus=("COFFEE",))
    shop.programs.program = msgspec.structs.replace(another(shop.programs.program), exclusions=exclusions)
    answer = (await shop.give_back(give_back(session_id, request=amount("75")))).answer
    assert (ReturnStatus.RETURNED, 225) == (answer.status, answer.points_reversed)


async def test_a_program_that_is_kept_nowhere_is_replaced_by_the_one_in_force() -> None:
    """A return is not held up for ever by a program that was never kept."""
    shop = Shop()
    session_id = await sold(shop)
    shop.programs.program = another(shop.programs.program)
    assert ReturnStatus.RETURNED is (await shop.give_back(give_back(session_id))).answer.status


async def test_a_program_that_cannot_be_read_delays_its_own_return_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease ends by itself; the rest of the round is delivered, and it comes next."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, AWAY)
    await shop.give_back(give_back(session_id))
    await shop.archive.keep(shop.programs.program)
    shop.programs.program = another(shop.programs.program)
    shop.clock.advance(60)
    with monkeypatch.context() as patched:

        async def away(_: str) -> None:
            raise StorageUnavailable

        patched.setattr(shop.archive, "find", away)
        done = await shop.deliver()
    assert (1, 0) == (done.claimed, done.settled)
    shop.clock.advance(60)
    assert 1 == (await shop.deliver()).settled
    assert (450, 0) == moved(shop)


async def test_a_round_counts_what_it_settled() -> None:
    """A return that was tried and is still owed is not settled, whatever state its session is in."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, AWAY, AWAY)
    await shop.give_back(give_back(session_id))
    shop.clock.advance(60)
    assert (1, 0) == ((done := await shop.deliver()).claimed, done.settled)
    shop.clock.advance(60)
    assert (1, 1) == ((done := await shop.deliver()).claimed, done.settled)


@pytest.mark.parametrize("points", [-1, 2**63])
async def test_a_sale_is_not_booked_by_a_report_that_cannot_be(points: int) -> None:
    """Points that no account can have prove nothing: the sale stays owed, and nothing is written of it."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, LOST)
    await shop.finalize(finalize(session_id))
    whole = shop.host.ledger[0]
    shop.host.ledger[0] = msgspec.structs.replace(
        whole, commit=HostCommit(key=whole.commit.key, kind=CommitKind.ACCRUAL, points=points)
    )
    shop.clock.advance(60)
    assert (1, 0) == ((done := await shop.deliver()).claimed, done.settled)
    session = await shop.session(session_id)
    assert (SessionStatus.FINALIZING, "impossible_points") == (
        session.status,
        session.delivery and session.delivery.last_error,
    )
    shop.host.ledger[0] = whole
    await shop.until_settled()
    assert 450 == (await shop.session(session_id)).earned_points


async def test_a_return_is_not_settled_by_a_report_of_more_than_was_asked() -> None:
    """Somebody has to look at the host's books; ours do not follow them."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, LOST)
    await shop.give_back(give_back(session_id, request=amount("50")))
    shop.host.ledger.append(shop.host.ledger[-1])
    shop.clock.advance(60)
    assert (1, 0) == ((done := await shop.deliver()).claimed, done.settled)
    goods = await stored_return(shop, session_id)
    assert (ReturnStatus.ACCEPTED, "more_than_asked") == (goods.status, goods.delivery.last_error)


async def test_the_lines_of_a_sale_are_those_that_were_committed() -> None:
    """Not those of an earlier quote."""
    shop = Shop()
    session_id = await shop.quoted("10.00")
    await shop.finalize(finalize(session_id, lines=LINES))
    answer = (await shop.give_back(give_back(session_id, request=amount("150")))).answer
    assert (450, 0) == (answer.points_reversed, answer.remaining_points)


async def test_nothing_is_claimed_while_the_circuit_is_open() -> None:
    """The round says when to come again, and whatever is due stays due."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, AWAY)
    await shop.give_back(give_back(session_id))
    shop.clock.advance(60)
    shop.host.closed_for = 7.0
    done = await shop.deliver()
    assert (0, 0, 7.0) == (done.claimed, done.settled, done.pause)
    shop.host.closed_for = 0.0
    assert 1 == (await shop.deliver()).settled


async def test_what_a_queue_hands_out_is_leased(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that forgot to is told so, before anything is sent without an owner."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, AWAY)
    await shop.give_back(give_back(session_id))

    async def unleased(*_: object) -> tuple[Loaded, ...]:
        return (Loaded(session=await shop.session(session_id), now=shop.clock.now()),)

    monkeypatch.setattr(shop.queue, "claim_due", unleased)
    with pytest.raises(ValueError, match="lease"):
        await shop.deliver()


async def test_asking_for_the_status_finds_a_booking() -> None:
    """A finalize whose answer was lost is settled by whoever asks first; nothing is sent for it."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, LOST)
    await shop.finalize(finalize(session_id))
    shop.clock.advance(60)
    shown = await shop.status(status(session_id))
    assert (SessionStatus.FINALIZED, 450) == (shown.status, shown.earned_points)
    assert 1 == shop.host.calls.count(HostCall.FINALIZE)
