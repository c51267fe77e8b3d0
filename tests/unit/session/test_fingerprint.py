"""Equal by meaning if, and only if, equal by fingerprint."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loyalty_core.domain.basket import BasketLine
from loyalty_core.domain.fingerprint import fingerprint

_TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
_NUMBERS = st.integers(-(10**30), 10**30) | st.decimals(allow_nan=False, allow_infinity=False)
_PAYLOADS = st.recursive(
    st.none() | st.booleans() | _TEXT | _NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


def _means_the_same(one: Any, other: Any) -> bool:
    """The independent judge: equal values of equal kinds; a number is a number however it is written."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return Decimal(one) == Decimal(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_means_the_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_means_the_same(one[key], other[key]) for key in one)
    return isinstance(one, str) and isinstance(other, str) and one == other


@given(_PAYLOADS, _PAYLOADS)
def test_two_payloads(one: Any, other: Any) -> None:
    """Any two payloads have the same digest exactly where they mean the same."""
    assert _means_the_same(one, other) is (fingerprint(payload=one) == fingerprint(payload=other))


def _respelled(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """`value`, written another way."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | Decimal):
        sign, digits, exponent = Decimal(value).as_tuple()
        assert isinstance(exponent, int)
        zeros = draw(st.integers(0, 4))
        return Decimal((sign, (*digits, *[0] * zeros), exponent - zeros))
    if isinstance(value, list):
        return [_respelled(item, draw) for item in value]
    return {key: _respelled(value[key], draw) for key in draw(st.permutations(list(value)))}


@given(_PAYLOADS, st.data())
def test_spelling_does_not_count(payload: Any, data: st.DataObject) -> None:
    """Trailing zeros and the order of keys change nothing: the repeated call is the same call."""
    assert fingerprint(payload=payload) == fingerprint(payload=_respelled(payload, data.draw))


@given(_NUMBERS, _NUMBERS)
def test_numbers_that_differ_in_any_digit_differ(one: Any, other: Any) -> None:
    """No precision is lost, however many digits there are."""
    assume(Decimal(one) != Decimal(other))
    assert fingerprint(amount=one) != fingerprint(amount=other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        (None, "null"),
        (None, ""),
        (150, "150"),
        ([], {}),
        ([[1], 2], [1, [2]]),
        ("text x", "x"),
        ({"a": None}, {}),
        (0, []),
    ],
)
def test_kinds_are_told_apart(one: Any, other: Any) -> None:
    """A value is never taken for one of another kind that looks like it."""
    assert fingerprint(payload=one) != fingerprint(payload=other)


def test_zero_has_no_sign() -> None:
    """``-0`` and ``0.00`` are nothing."""
    assert fingerprint(amount=0) == fingerprint(amount=Decimal("-0.00"))


def test_lines_mean_what_their_fields_mean() -> None:
    """A line of a basket is compared field by field; an absent field is a null one."""
    spelled = BasketLine("APPLE", Decimal(2), Decimal("1.50"))
    respelled = BasketLine("APPLE", Decimal("2.0"), Decimal("1.5"), None)
    other = BasketLine("APPLE", Decimal(2), None)

    assert fingerprint(lines=(spelled,)) == fingerprint(lines=[respelled])
    assert fingerprint(lines=(spelled,)) != fingerprint(lines=(other,))


def test_fields_have_names() -> None:
    """The same values under other names are another payload."""
    assert fingerprint(a=1, b=2) != fingerprint(a=2, b=1)


@pytest.mark.parametrize("value", [1.5, b"x", object(), {1.5}])
def test_what_no_payload_holds_is_a_bug(value: Any) -> None:
    """A float has lost digits already; it is refused rather than compared, and named."""
    with pytest.raises(TypeError, match=f"^a payload cannot hold a {type(value).__name__}$"):
        fingerprint(value=value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_refused(value: str) -> None:
    """What is not finite equals nothing, itself included."""
    with pytest.raises(TypeError, match=r"^a payload cannot hold a number that is not finite$"):
        fingerprint(value=Decimal(value))


@pytest.mark.parametrize(
    ("amount", "digest"),
    [
        ("0", "e5af5367012a407f4afaf37105dde1763d30aa6a97e1eb9e37ebb95696d6fe1e"),
        ("-12.50", "6042c51facebcdcf0df4237e634611907a70a6de0c65c919e15a325f05760cf7"),
        ("1200", "16aa3c14bb0a88ea8ce29c3bbd6d81a3d21ea4904514b736ecf6fa8363200dac"),
        ("0.50", "93aabd47c153d3efacc7b68b4f3fda3d8a6f0f374b295df07fa9dd80e93dd59d"),
    ],
)
def test_a_meaning_keeps_its_digest(amount: str, digest: str) -> None:
    """Sessions keep it for as long as they are kept: the next version has to find the same one."""
    assert digest == fingerprint(amount=Decimal(amount))
