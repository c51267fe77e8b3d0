"""Exact arithmetic for money and points: decimals at the door, whole numbers inside, rounding only where a rule does.

Nothing here reads the ambient decimal context, so no caller's precision or rounding mode can change a result.
"""

from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import Final

MAX_POINTS: Final = 2**63 - 1
"""Points are stored and sent as signed 64-bit integers."""

# Wide enough for every number we accept (10 digits before the point, 10 after). `Inexact` is trapped: a number with
# more digits than that is refused, never quietly rounded.
_EXACT: Final = Context(
    prec=40, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation]
)


class UnfitNumber(Exception):
    """A number that breaks its bounds; the message is the second half of a sentence that begins with the field."""


def scale(value: object, places: int, *, below: int) -> int:
    """`value` times 10^`places` as a whole number, for a decimal ≥ 0 and < `below` with at most `places` decimals.

    Decimals count by meaning: ``1.50`` has one. Only `Decimal` is accepted, because an `int` or `float` here means that
    money went through a type that does not carry it.

    Raises:
        UnfitNumber: another type, not finite, negative, too large, or finer than `places` decimals.
    """
    if type(value) is not Decimal:
        raise UnfitNumber(f"must be a Decimal, not {type(value).__name__}")
    if not value.is_finite():
        raise UnfitNumber("must be a finite number")
    if value < 0:
        raise UnfitNumber("must not be negative")
    if value >= below:
        raise UnfitNumber(f"must be less than {below}")
    try:
        scaled = value.scaleb(places, _EXACT)
    except Inexact:
        raise UnfitNumber(_too_fine(places)) from None
    whole = int(scaled)
    if whole != scaled:
        raise UnfitNumber(_too_fine(places))
    return whole


def unscale(whole: int, places: int) -> Decimal:
    """`whole` / 10^`places` with exactly `places` decimals: ``unscale(15000, 2)`` is ``150.00``."""
    return Decimal(whole).scaleb(-places, _EXACT)


def spelled(value: Decimal) -> str:
    """The one spelling of `value`: no exponent, no trailing zeros, so that equal numbers read the same."""
    whole, _, fraction = f"{value:f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def rounded_ratio(numerator: int, denominator: int) -> Decimal:
    """`numerator` / `denominator` to three decimals, half to even; trailing zeros dropped but for one: ``3.0``.

    Zero where the denominator is zero.
    """
    if denominator == 0:
        return Decimal("0.0")
    thousandths, rest = divmod(numerator * 1000, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and thousandths % 2):
        thousandths += 1
    whole, fraction = divmod(thousandths, 1000)
    return Decimal(f"{whole}.{f'{fraction:03}'.rstrip('0') or '0'}")


def floor_together(numerators: Sequence[int], denominator: int, order: Sequence[int] | None = None) -> list[int]:
    """The fractions `numerators` / `denominator`, ≥ 0, as whole numbers that sum to the floor of their exact sum.

    Each is its own floor; the missing ones go to the largest remainders. Equal remainders are served in the `order` of
    positions given, else first come first served.
    """
    parts = [numerator // denominator for numerator in numerators]
    missing = sum(numerators) // denominator - sum(parts)
    if missing:
        remainders = [numerator % denominator for numerator in numerators]
        served = sorted(order or range(len(parts)), key=remainders.__getitem__, reverse=True)
        for position in served[:missing]:
            parts[position] += 1
    return parts


def share_out(total: int, weights: Sequence[int], order: Sequence[int] | None = None) -> list[int]:
    """`total` in whole parts proportional to `weights`, by largest remainder: the parts always sum to `total`.

    Weights are ≥ 0, and at least one is positive unless `total` is 0. Ties as in `floor_together`.
    """
    if not total:
        return [0] * len(weights)
    return floor_together([total * weight for weight in weights], sum(weights), order)


def _too_fine(places: int) -> str:
    return f"must have at most {places} decimals" if places else "must be a whole number"
