"""What every `Reconciliation` and its `Findings` promise, arranged through the `SessionStore` they look into."""

from datetime import date, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import msgspec

from loyalty_core.domain.difference import Difference, DifferenceKind, Side
from loyalty_core.domain.host_books import CommitKind, HostCommit
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.reconciliation import Finding, FindingQuery, Findings, Judged, Place, Reconciliation, Standing
from loyalty_core.ports.session_store import SessionStore
from tests.contracts.sales import (
    a_quote,
    changed,
    new_session,
    owed,
    settled,
    store_now,
    stored,
    with_return,
)

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
TODAY: Final = date(2026, 3, 2)


class Office(NamedTuple):
    """Both ports, and the store they look into; empty at first."""

    work: Reconciliation
    findings: Findings
    store: SessionStore

    async def sold(self) -> Session:
        """A sale that was intended, then booked."""
        now = await store_now(self.store)
        intended = await self.intended(await self.opened())
        return await changed(self.store, intended, lambda it: settled(it, now), Cause.HOST_ACCEPTED)

    async def opened(self) -> Session:
        return await stored(self.store, new_session())

    async def intended(self, session: Session, **delivery: Any) -> Session:
        now = await store_now(self.store)
        begun = owed(begun_at=now, next_attempt_at=now, **delivery)
        assert begun.delivery is not None
        assert begun.intent is not None
        delivering, intent = begun.delivery, begun.intent
        return await changed(
            self.store, session, lambda it: it.begin_finalize(intent, delivering, now), Cause.FINALIZE_INTENDED
        )

    async def places(self, after: Place | None = None, limit: int = 100) -> list[Place]:
        """Of every session that is to be compared, page by page, as a run asks for them."""
        until, found = await store_now(self.store) + DAY, []
        while True:
            page = await self.work.steps(after, until, limit)
            assert [step.place.session for step in page.steps] == [step.loaded.session.id for step in page.steps]
            found += [step.place for step in page.steps]
            if page.is_last:
                assert len(page.steps) < limit
                assert page.last == (page.steps[-1].place if page.steps else None)
                return found
            after = page.last

    async def note(self, session: Session, *differences: Difference, day: date = TODAY) -> tuple[int, int]:
        """How many findings that opened, and how many it resolved."""
        judged = Judged(session=session.id, day=day, differences=differences)
        noted = await self.work.note((judged,), await self.work.standing())
        return len(noted.opened), noted.resolved


def a_difference(kind: DifferenceKind = DifferenceKind.DOUBLED, *points: int, **fields: Any) -> Difference:
    theirs = tuple(HostCommit(key="k:1", kind=CommitKind.ACCRUAL, points=it) for it in points or (450, 450))
    return Difference(
        kind=kind, ours=Side(status="finalized"), theirs=Side(status="finalized", commits=theirs), **fields
    )


def after_everything() -> SessionId:
    return SessionId(UUID(int=2**128 - 1))


class ReconciliationContract:
    """Subclasses supply the fixture `office`."""

    async def test_whatever_touched_the_books_comes_up_once(self, office: Office) -> None:
        """Sold, still owed, refused and taken back, whatever the size of a page; what was only quoted does not."""
        sold = await office.sold()
        waiting = await office.intended(await office.opened())
        refused = await office.intended(await office.opened())
        await changed(office.store, refused, lambda it: it.revert(it.created_at), Cause.HOST_REJECTED)
        quoted = await office.opened()
        await changed(office.store, quoted, lambda it: it.quoted(a_quote(), it.created_at), Cause.QUOTED)
        for limit in (1, 2, 3, 100):
            found = await office.places(limit=limit)
            assert [sold.id, waiting.id, refused.id] == [place.session for place in found]
            assert found == sorted(found, key=lambda place: (place.at, place.session))
        assert 3 == await office.work.count_steps(None, await store_now(office.store) + DAY)

    async def test_a_page_begins_after_its_place(self, office: Office) -> None:
        """Nothing that was compared comes up again, nothing behind it is left out."""
        sales = [await office.sold() for _ in range(3)]
        first, second, third = await office.places()
        assert [sales[0].id, sales[1].id, sales[2].id] == [first.session, second.session, third.session]
        assert [second, third] == await office.places(after=first)
        assert [] == await office.places(after=third)
        assert 1 == await office.work.count_steps(second, await store_now(office.store) + DAY)

    async def test_an_end_is_kept(self, office: Office) -> None:
        """A session comes up at its last step before the end, and again after it where its books change later."""
        sold = await office.sold()
        (before,) = await office.places()
        waiting = await store_now(office.store)
        changed_now = await changed(
            office.store,
            sold,
            lambda it: with_return(it, "R-1", next_attempt_at=waiting),
            Cause.RETURN_INTENDED,
        )
        (again,) = await office.places(after=before)
        assert (sold.id, True) == (again.session, again.at > before.at)
        early = await office.work.steps(None, again.at, 10)
        assert [before] == [step.place for step in early.steps]
        assert [changed_now] == [step.loaded.session for step in early.steps]

    async def test_nothing_appears_before_the_horizon(self, office: Office) -> None:
        """What is written from now on has a later step than it says."""
        horizon = await office.work.horizon()
        await office.sold()
        (place,) = await office.places()
        assert horizon <= place.at
        assert horizon <= await store_now(office.store)

    async def test_the_standing_is_kept_and_never_goes_back(self, office: Office) -> None:
        """It is written with the batch it is for; of two runs side by side the one that is further counts."""
        assert Standing() == await office.work.standing()
        now = await store_now(office.store)
        early, late = Place(now, SessionId(uuid4())), Place(now + MINUTE, SessionId(uuid4()))
        await office.work.note((), Standing(compared=late))
        await office.work.note((), Standing(compared=early, rechecking=now))
        await office.work.note((), Standing())
        assert Standing(compared=late) == await office.work.standing()
        further = Standing(compared=late, rechecking=now, rechecked=early.session)
        await office.work.note((), further)
        assert further == await office.work.standing()
        await office.work.note((), Standing(compared=late))
        assert Standing(compared=late) == await office.work.standing()

    async def test_a_difference_is_found_once(self, office: Office) -> None:
        """However often it is met: the first number, day and time stay, what is known of it is renewed."""
        sale = await office.sold()
        assert (1, 0) == await office.note(sale, a_difference())
        (first,) = await office.findings.of_session(sale.id)
        assert (0, 0) == await office.note(sale, a_difference(note="again"), day=TODAY + DAY)
        (finding,) = await office.findings.of_session(sale.id)
        assert (first.number, TODAY, first.found_at, "again", None) == (
            finding.number, finding.day, finding.found_at, finding.difference.note, finding.resolved_at
        )  # fmt: skip
        assert first.checked_at <= finding.checked_at
        assert (sale.channel, sale.transaction) == (finding.channel, finding.transaction)
        assert a_difference() == first.difference

    async def test_each_kind_and_item_is_a_finding_of_its_own(self, office: Office) -> None:
        """Of one session, in one batch."""
        sale = await office.sold()
        kinds = [a_difference(), a_difference(item="return R-1"), a_difference(DifferenceKind.POINTS_DIFFER, 7)]
        assert (3, 0) == await office.note(sale, *kinds)
        kept = {finding.difference.key: finding.difference for finding in await office.findings.of_session(sale.id)}
        assert {kind.key: kind for kind in kinds} == kept

    async def test_what_has_healed_is_resolved_and_may_come_back(self, office: Office) -> None:
        """With the time; only what the session was judged for counts as gone."""
        sale, other = await office.sold(), await office.sold()
        points = a_difference(DifferenceKind.POINTS_DIFFER, 7)
        assert (2, 0) == await office.note(sale, a_difference(), points)
        assert (1, 0) == await office.note(other, a_difference())
        assert (0, 1) == await office.note(sale, points)
        by_kind = {it.difference.kind: it for it in await office.findings.of_session(sale.id)}
        healed, still = by_kind[DifferenceKind.DOUBLED], by_kind[DifferenceKind.POINTS_DIFFER]
        assert (True, None) == (healed.resolved_at is not None, healed.resolution)
        assert still.resolved_at is None
        assert (1, 0) == await office.note(sale, a_difference(), points)
        by_kind = {it.difference.kind: it for it in await office.findings.of_session(sale.id)}
        again = by_kind[DifferenceKind.DOUBLED]
        assert (healed.number, None) == (again.number, again.resolved_at)
        assert 3 == len(await office.findings.find(FindingQuery(open_only=True)))

    async def test_only_what_was_judged_is_over(self, office: Office) -> None:
        """Findings of kinds of which nothing could be said stand as they are."""
        sale = await office.sold()
        await office.note(sale, a_difference(), a_difference(DifferenceKind.STILL_OWED))
        for kinds, resolved in ((frozenset[DifferenceKind](), 0), (frozenset({DifferenceKind.STILL_OWED}), 1)):
            judged = Judged(session=sale.id, day=TODAY, differences=(), resolves=kinds)
            assert resolved == (await office.work.note((judged,), Standing())).resolved
        (still,) = await office.findings.find(FindingQuery(open_only=True))
        assert DifferenceKind.DOUBLED is still.difference.kind

    async def test_what_somebody_has_closed_stays_closed_while_it_is_the_same(self, office: Office) -> None:
        """Other figures are another matter; what is not open cannot be closed."""
        sale = await office.sold()
        await office.note(sale, a_difference())
        (finding,) = await office.findings.of_session(sale.id)
        assert await office.findings.close(finding.number + 1, "grace: nobody") is None
        closed = await office.findings.close(finding.number, "grace: PDI knows")
        assert closed is not None
        assert ("grace: PDI knows", True) == (closed.resolution, closed.resolved_at is not None)
        assert await office.findings.close(finding.number, "ada: me too") is None
        assert (0, 0) == await office.note(sale, a_difference())
        assert (closed,) == await office.findings.of_session(sale.id)
        assert (0, 0) == await office.note(sale)
        assert (closed,) == await office.findings.of_session(sale.id)
        assert (1, 0) == await office.note(sale, a_difference(DifferenceKind.DOUBLED, 450, 450, 450))
        (opened,) = await office.findings.of_session(sale.id)
        assert (None, None) == (opened.resolved_at, opened.resolution)

    async def test_findings_are_read_by_day(self, office: Office) -> None:
        """In the order of days and numbers, a page at a time; open ones alone where wanted."""
        sales = [await office.sold() for _ in range(4)]
        days = [TODAY, TODAY - DAY, TODAY, TODAY - DAY]
        for sale, day in zip(sales, days, strict=True):
            await office.note(sale, a_difference(), day=day)
        in_order = [sales[1].id, sales[3].id, sales[0].id, sales[2].id]
        query, found = FindingQuery(limit=1), list[Finding]()
        while page := await office.findings.find(query):
            found += page
            query = msgspec.structs.replace(query, after=(page[-1].day, page[-1].number))
        assert in_order == [finding.session for finding in found]
        assert in_order[:2] == [it.session for it in await office.findings.find(FindingQuery(day=TODAY - DAY))]
        await office.findings.close(found[0].number, "grace: settled")
        assert in_order[1:] == [it.session for it in await office.findings.find(FindingQuery(open_only=True))]

    async def test_what_is_left_open_comes_up_again(self, office: Office) -> None:
        """Open findings that were not looked at since, and what has been owed for long; each session once, by id."""
        now = await store_now(office.store)
        late, later = now + DAY, now - DAY
        found, closed, healthy = [await office.sold() for _ in range(3)]
        await office.note(found, a_difference(), a_difference(item="return R-1"))
        await office.note(closed, a_difference())
        (of_closed,) = await office.findings.of_session(closed.id)
        await office.findings.close(of_closed.number, "grace: settled")
        waiting = await office.intended(await office.opened())
        goods = await changed(
            office.store,
            await office.sold(),
            lambda it: with_return(it, "R-1", next_attempt_at=None, parked_at=now),
            Cause.RETURN_INTENDED,
        )
        everything = sorted([found.id, waiting.id, goods.id])
        assert healthy.id not in everything
        for limit in (1, 10):
            seen: list[SessionId] = []
            while page := await office.work.left_open(seen[-1] if seen else None, late, late, limit):
                seen += [it.session.id for it in page]
            assert everything == seen
        assert 3 == await office.work.count_left_open(late, late)
        assert [found.id] == [it.session.id for it in await office.work.left_open(None, later, late, 10)]
        assert sorted([waiting.id, goods.id]) == [
            it.session.id for it in await office.work.left_open(None, late, later, 10)
        ]
        assert () == await office.work.left_open(after_everything(), late, late, 10)
