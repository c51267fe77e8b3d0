"""The bounds of baskets and of exact numbers, from both sides."""

from decimal import ROUND_UP, Decimal, localcontext
from typing import Any

import pytest

from loyalty_core.domain.basket import Basket, BasketLine, FieldPath, InvalidBasket, format_path
from loyalty_core.domain.identifiers import ChannelId, CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.domain.money import MAX_POINTS, UnfitNumber, floor_together, rounded_ratio, scale, share_out, unscale
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.rewards import calculate
from tests.unit.rewards.sales import GOLD, TUESDAY_NOON, basket, line


def sold(**changes: Any) -> Basket:
    fields: dict[str, Any] = {"amount": Decimal("1.00"), "lines": (line(),), "channel": ChannelId("POS-1")}
    return Basket(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": Decimal(0)},
        {"amount": Decimal("9999999999.9999")},
        {"amount": Decimal("-0")},
        {"amount": Decimal("1.50000000000000000000000000000000000000000000000000")},
        {"amount": Decimal("1E+9")},
        {"redeem_points": MAX_POINTS},
        {"channel": ChannelId("x" * 64)},
        {"lines": (line(),) * 500},
        {"lines": (line("a" * 64, "999999.9999", "9999999999.999999", "A.b_c:d-e"),)},
        {"lines": (line(quantity="0.0001", price="0"),)},
    ],
)
def test_what_just_fits(changes: dict[str, Any]) -> None:
    """The largest and smallest values that the contract allows make a basket."""
    assert sold(**changes).channel


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"amount": Decimal("-0.01")}, ("amount",), "must not be negative"),
        ({"amount": Decimal(10) ** 10}, ("amount",), "must be less than 10000000000"),
        ({"amount": Decimal("1.00001")}, ("amount",), "must have at most 4 decimals"),
        ({"amount": Decimal("0." + "0" * 60 + "1")}, ("amount",), "must have at most 4 decimals"),
        ({"amount": Decimal("1." + "0" * 60 + "1")}, ("amount",), "must have at most 4 decimals"),
        ({"amount": Decimal("1E+999999")}, ("amount",), "must be less than 10000000000"),
        ({"amount": Decimal("1E-999999")}, ("amount",), "must have at most 4 decimals"),
        ({"amount": Decimal("NaN")}, ("amount",), "must be a finite number"),
        ({"amount": Decimal("sNaN")}, ("amount",), "must be a finite number"),
        ({"amount": Decimal("Infinity")}, ("amount",), "must be a finite number"),
        ({"amount": 1.0}, ("amount",), "must be a Decimal, not float"),
        ({"amount": 1}, ("amount",), "must be a Decimal, not int"),
        ({"redeem_points": -1}, ("redeem_points",), "must be between 0 and 9223372036854775807"),
        ({"redeem_points": MAX_POINTS + 1}, ("redeem_points",), "must be between 0 and 9223372036854775807"),
        ({"lines": (line(),) * 501}, ("lines",), "must have at most 500 entries"),
        ({"lines": (line(), line(quantity="0"))}, ("lines", 1, "quantity"), "must be more than 0"),
        ({"lines": (line(quantity="1000000"),)}, ("lines", 0, "quantity"), "must be less than 1000000"),
        ({"lines": (line(quantity="0.00001"),)}, ("lines", 0, "quantity"), "must have at most 4 decimals"),
        ({"lines": (line(price="10000000000"),)}, ("lines", 0, "unit_price"), "must be less than 10000000000"),
        ({"lines": (line(price="0.0000001"),)}, ("lines", 0, "unit_price"), "must have at most 6 decimals"),
    ],
)
def test_what_does_not_fit(changes: dict[str, Any], path: FieldPath, reason: str) -> None:
    """A value out of bounds is refused with its path, and with what to change."""
    with pytest.raises(InvalidBasket) as refused:
        sold(**changes)
    assert (path, reason) == (refused.value.field_path, refused.value.reason)
    assert f"{format_path(path)} {reason}" == str(refused.value)
    assert "validation_failed" == refused.value.code


@pytest.mark.parametrize("name", ["", " A", "-A", "a" * 65, "a b", "é", "a\n", "a/b"])
def test_names_are_identifiers(name: str) -> None:
    """SKUs, categories and channels follow the one rule for identifiers from outside."""
    for changes, path in (
        ({"channel": ChannelId(name)}, ("channel",)),
        ({"lines": (line(name),)}, ("lines", 0, "sku")),
        ({"lines": (line(category=name),)}, ("lines", 0, "category")),
    ):
        with pytest.raises(InvalidBasket) as refused:
            sold(**changes)
        assert path == refused.value.field_path
        assert refused.value.reason.startswith("must be 1 to 64 characters")


def test_paths_read_like_code() -> None:
    """A path is shown as a program would write it."""
    assert "lines[2].unit_price" == format_path(("lines", 2, "unit_price"))
    assert "" == format_path(())


def test_equal_by_meaning() -> None:
    """150 is 150.00, and so are baskets and their hashes."""
    whole, written_out = (
        basket("150", line(quantity="2", price="75")),
        basket("150.00", line(quantity="2.0", price="75.00")),
    )
    assert whole == written_out
    assert hash(whole) == hash(written_out)


@pytest.mark.parametrize(("amount", "lines", "empty"), [("0", (), True), ("0.01", (), False), ("0", (line(),), False)])
def test_empty(amount: str, lines: tuple[BasketLine, ...], empty: bool) -> None:
    """Empty is no lines and no amount; a line of nothing is something."""
    assert empty == basket(amount, *lines).is_empty


def test_amount_in_the_currencys_decimals() -> None:
    """The program owns the currency: cents are fine for dollars, tenths of a cent are not."""
    program = built_in_program()
    assert 150_01 == program.check_amount(Decimal("150.01"))
    with pytest.raises(InvalidBasket) as refused:
        calculate(program, basket("150.001"), GOLD, TUESDAY_NOON)
    assert "amount must have at most 2 decimals in USD" == str(refused.value)


def test_member_shows_no_person() -> None:
    """Neither name nor customer id reach a repr; tier and points do."""
    member = Member(CustomerId("+49151"), "Gold", "Erika", 10)
    assert "Member(tier='Gold', points=10)" == repr(member)
    assert [("tier", "Gold"), ("points", 10)] == member.__rich_repr__()


def test_the_ambient_context_changes_nothing() -> None:
    """A caller's decimal precision and rounding have no part in any result."""
    expected = calculate(built_in_program(), basket("12345.67", line(price="12345.67")), GOLD, TUESDAY_NOON)
    with localcontext() as context:
        context.prec = 2
        context.rounding = ROUND_UP
        again = basket("12345.67", line(price="12345.67"))
        assert expected == calculate(built_in_program(), again, GOLD, TUESDAY_NOON)
        assert Decimal("12345.67") == unscale(1234567, 2)


def test_scale_to_whole_numbers() -> None:
    """A place too many in a currency without decimals is called what it is."""
    assert 3 == scale(Decimal("3.0"), 0, below=4)
    with pytest.raises(UnfitNumber, match=r"^must be a whole number$"):
        scale(Decimal("3.5"), 0, below=4)


@pytest.mark.parametrize(
    ("numerator", "denominator", "text"),
    [
        (1, 0, "0.0"), (0, 7, "0.0"), (5, 10000, "0.0"), (15, 10000, "0.002"), (25, 10000, "0.002"),
        (26, 10000, "0.003"), (1, 3, "0.333"), (2, 3, "0.667"), (10, 1, "10.0"), (9995, 10000, "1.0"), (5, 4, "1.25"),
    ],
)  # fmt: skip
def test_rounded_ratio(numerator: int, denominator: int, text: str) -> None:
    """Three decimals, half to even, one decimal at least."""
    assert text == str(rounded_ratio(numerator, denominator))


@pytest.mark.parametrize(
    ("total", "weights", "order", "parts"),
    [
        (10, [1, 1, 1], None, [4, 3, 3]),
        (10, [1, 1, 1], [2, 1, 0], [3, 3, 4]),
        (11, [1, 1, 1], [2, 1, 0], [3, 4, 4]),
        (0, [0, 0], None, [0, 0]),
        (7, [0, 5], None, [0, 7]),
        (1, [1, 2], None, [0, 1]),
        (0, [], None, []),
    ],
)
def test_share_out(total: int, weights: list[int], order: list[int] | None, parts: list[int]) -> None:
    """By largest remainder, ties as told."""
    assert parts == share_out(total, weights, order)


def test_floor_together() -> None:
    """2.6 and 1.7 are 4 together: 2 and 2, as the larger remainder is served first."""
    assert [2, 2] == floor_together([26, 17], 10)
    assert [3, 1] == floor_together([28, 17], 10)
    assert [2, 1] == floor_together([21, 11], 10)
