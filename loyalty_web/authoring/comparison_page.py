"""A comparison of two programs on a page, and as plain data."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from loyalty_core.domain.program import RewardProgram
from loyalty_web.authoring.comparison import PROMOTION, Comparison, Tally
from loyalty_web.authoring.page import name, number, table
from loyalty_web.authoring.wording import counted


def comparison_page(old: RewardProgram, new: RewardProgram, compared: Comparison) -> Iterator[RenderableType]:
    """`compared`, which is of `old` and `new`."""
    for label, program in (("old", old), ("new", new)):
        yield f"{label}: {program.id} {program.version}, hash {program.content_hash[:12]}"
    if old.currency != new.currency:
        yield f"Their currencies differ ({old.currency}, {new.currency}): amounts are taken as they are."
    total = compared.total
    changes = f"{compared.gained:,} earn more, {compared.lost:,} less"
    yield f"{counted(total.sales, 'sale')}, {total.changed:,} changed: {changes}."
    yield from _notes(compared)
    yield _tallies("by tier", ((tier or "(not known)", tally) for tier, tally in sorted(compared.tiers.items())), total)
    yield _tallies("by promotion", _sources(old, new, compared), total)
    days = ((f"{day:%a %Y-%m-%d}", tally) for day, tally in sorted(compared.days.items()))
    yield _tallies(f"by day in {new.time_zone}", days, total)


def comparison_document(old: RewardProgram, new: RewardProgram, compared: Comparison) -> dict[str, Any]:
    """The same as plain data."""
    return {
        **{
            label: {"id": program.id, "version": program.version, "hash": program.content_hash}
            for label, program in (("old", old), ("new", new))
        },
        "total": _data(compared.total),
        "gained": compared.gained,
        "lost": compared.lost,
        "quotedByOld": compared.quoted_by_old,
        "returned": compared.returned,
        "withoutRewards": compared.unrewarded,
        "notComparable": compared.unfit,
        "misfits": [
            {
                "program": program,
                "reason": reason,
                "sales": each.sales,
                "points": each.points,
                "sessions": each.examples,
            }
            for (program, reason), each in sorted(compared.misfits.items())
        ],
        "byTier": [{"tier": tier or None, **_data(tally)} for tier, tally in sorted(compared.tiers.items())],
        "bySource": [
            {"source": kind, "promotion": promotion or None, **_data(tally)}
            for (kind, promotion), tally in sorted(compared.sources.items())
        ],
        "byDay": [{"day": day.isoformat(), **_data(tally)} for day, tally in sorted(compared.days.items())],
    }


def _notes(compared: Comparison) -> Iterator[str]:
    """What is to be known of the sales, and which of them are in no table."""
    yield f"{compared.quoted_by_old:,} of them had been quoted by the old program itself."
    if compared.returned:
        yield f"{compared.returned:,} had something returned since; they are calculated as they were sold."
    if compared.unrewarded:
        yield f"{counted(compared.unrewarded, 'sale')} more ended without rewards, and would under any program."
    if compared.unfit:
        yield f"{counted(compared.unfit, 'sale')} more cannot be compared, and are in no figure:"
    for (program, reason), each in sorted(compared.misfits.items()):
        earned = f"earn {counted(each.points, 'point')} under the other"
        yield f"  {each.sales:,} do not fit the {program} program ({reason}), and {earned}:"
        yield from (f"    {session}" for session in each.examples)
        if each.sales > len(each.examples):
            yield f"    and {each.sales - len(each.examples):,} more"


def _sources(old: RewardProgram, new: RewardProgram, compared: Comparison) -> Iterator[tuple[str, Tally]]:
    """In the order of the programs, those of the new one first."""
    order = [promotion.id for promotion in (*new.promotions, *old.promotions)]
    for (kind, promotion), tally in sorted(
        compared.sources.items(),
        key=lambda each: (each[0][0] == PROMOTION, order.index(each[0][1]) if each[0][1] else 0),
    ):
        yield promotion or kind, tally


def _tallies(title: str, rows: Iterable[tuple[str, Tally]], total: Tally) -> Table:
    tallies = table(name(title), *map(number, ("sales", "changed", "old", "new", "difference")))
    for label, tally in rows:
        tallies.add_row(label, *_figures(tally))
    tallies.add_section()
    tallies.add_row("total", *_figures(total))
    return tallies


def _figures(tally: Tally) -> tuple[str, ...]:
    return (*(f"{figure:,}" for figure in (tally.sales, tally.changed, tally.old, tally.new)), f"{tally.difference:+,}")


def _data(tally: Tally) -> dict[str, int]:
    return {
        "sales": tally.sales,
        "changed": tally.changed,
        "old": tally.old,
        "new": tally.new,
        "difference": tally.difference,
    }
