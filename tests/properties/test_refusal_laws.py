"""What is refused is refused with the name of the field at fault, and nothing else than a named refusal ever comes."""

import tomllib
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_core.domain.basket import MAX_LINES, Basket, FieldPath, InvalidBasket, format_path
from loyalty_core.domain.errors import OverReturn
from loyalty_core.domain.member import Member
from loyalty_core.domain.money import MAX_POINTS
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_check import check_program, read_document
from loyalty_core.domain.program_examples import example_program_toml, example_programs
from loyalty_core.domain.program_mistakes import InvalidProgram
from loyalty_core.domain.program_toml import program_from_toml, program_to_toml
from loyalty_core.domain.return_request import InvalidReturn, ReturnLine, ReturnRequest
from loyalty_core.domain.returns import sale_of, share_to_return
from tests.properties.baskets import baskets, members
from tests.properties.effort import effort
from tests.properties.programs import programs

examples = st.sampled_from([program_from_toml(example_program_toml(name)) for name in example_programs()])

BAD_DECIMALS = (
    "NaN",
    "-Infinity",
    "-0.01",
    "1E+10",
    "1E-7",
    "0.00000000000000000000000000000000000000001",
    "1E-999999",
    "1." + "0" * 45 + "1",
)
BAD_NAMES = ("", " ", "-leading", "a" * 65, "späti", "a\n")


@st.composite
def broken_baskets(draw: st.DrawFn) -> tuple[dict[str, Any], FieldPath]:
    """The fields of a basket of which one is out of bounds, and the path of that one."""
    basket = draw(baskets().filter(lambda basket: bool(basket.lines)))
    fields = msgspec.structs.asdict(basket)
    place = draw(st.integers(0, len(basket.lines) - 1))
    bad_decimal = st.sampled_from(BAD_DECIMALS).map(Decimal) | st.just(1.5)
    bad: dict[str, st.SearchStrategy[Any]] = {
        "amount": bad_decimal,
        "channel": st.sampled_from(BAD_NAMES),
        "redeem_points": st.sampled_from([-1, MAX_POINTS + 1]),
        "lines": st.just(basket.lines * (MAX_LINES + 1)),
    }
    bad_line: dict[str, st.SearchStrategy[Any]] = {
        "sku": st.sampled_from(BAD_NAMES),
        "category": st.sampled_from(BAD_NAMES),
        "quantity": bad_decimal | st.just(Decimal(0)),
        "unit_price": bad_decimal,
    }
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(bad)))
        return {**fields, name: draw(bad[name])}, (name,)
    name = draw(st.sampled_from(sorted(bad_line)))
    line = msgspec.structs.replace(basket.lines[place], **{name: draw(bad_line[name])})
    return {**fields, "lines": (*basket.lines[:place], line, *basket.lines[place + 1 :])}, ("lines", place, name)


@effort(4)
@given(broken_baskets())
def test_a_broken_basket_names_its_field(broken: tuple[dict[str, Any], FieldPath]) -> None:
    """A basket with one field out of bounds cannot be made, and the error names that field."""
    fields, path = broken
    with pytest.raises(InvalidBasket) as refused:
        Basket(**fields)
    assert path == refused.value.field_path


ODD_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        "",
        "x",
        "\x00",
        "usd",
        0,
        -1,
        10**30,
        1.0,
        Decimal("-0.001"),
        Decimal("NaN"),
        Decimal(10) ** 40,
        True,
        [],
        {},
        [7],
        None,
    ]
) | st.text(max_size=3)


def places_in(value: Any, path: FieldPath = ()) -> list[FieldPath]:
    """The paths of all values within `value`."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [place for key, child in children for place in places_in(child, (*path, key))]
    return [*below, *([path] if path else [])]


def changed(value: Any, path: FieldPath, replacement: Any) -> Any:
    """`value` with what is at `path` replaced."""
    if not path:
        return replacement
    copied = value.copy()
    copied[path[0]] = changed(value[path[0]], path[1:], replacement)
    return copied


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """The plain values of the TOML of some sound program."""
    text = draw((examples | programs()).map(program_to_toml))
    return tomllib.loads(text, parse_float=Decimal)


@given(documents(), st.data())
def test_a_program_is_either_sound_or_explained(document: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is changed in a program, checking it never fails, and it can be used if nothing was found wrong."""
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(places_in(document)))
        document = changed(document, path, data.draw(ODD_VALUES))
    if data.draw(st.booleans()):
        document = {**document, data.draw(st.sampled_from(["promotion", "zzz"])): 1}
    if data.draw(st.booleans()):
        document = {
            key: value for key, value in document.items() if key != data.draw(st.sampled_from(sorted(document)))
        }
    draft, mistakes = read_document(document)
    fields = {name: getattr(draft, name) for name in draft.__struct_fields__}
    if mistakes:
        assert all(mistake.message for mistake in mistakes)
    else:
        assert program_from_toml(program_to_toml(RewardProgram(**fields))) == RewardProgram(**fields)


@given(documents(), st.data())
def test_a_value_that_cannot_be_read_is_named(document: dict[str, Any], data: st.DataObject) -> None:
    """A value of an impossible kind is reported at its own path, whatever else is right or wrong."""
    path = data.draw(st.sampled_from(places_in(document)))
    _, mistakes = read_document(changed(document, path, object()))
    assert [format_path(path)] == [mistake.path for mistake in mistakes]


@given(
    st.text()
    | st.lists(
        st.sampled_from(["id", "=", '"x"', "[", "]", "\n", "1e9999999999999999999", "9" * 5000, "=[" * 5000])
    ).map("".join)
)
def test_any_text_can_be_checked(text: str) -> None:
    """No text makes the check fail, and none that is not a program is taken for one."""
    mistakes = check_program(text)
    assert mistakes
    with pytest.raises(InvalidProgram) as refused:
        program_from_toml(text)
    assert mistakes == refused.value.mistakes


@effort(6)
@given(examples, baskets(), st.data())
def test_a_return_request_is_taken_or_named(program: RewardProgram, basket: Basket, data: st.DataObject) -> None:
    """Any return request is taken, refused as too much, or refused with the path of the field at fault."""
    sale = sale_of(program, basket)
    number = st.sampled_from([Decimal(1), Decimal("0.5"), Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("0.00001")])
    line = st.builds(
        ReturnLine,
        number,
        st.none() | st.integers(-1, len(basket.lines) + 1),
        st.none() | st.sampled_from(["APPLE", "BREAD", "NOWHERE", ""]),
    )
    request = ReturnRequest(
        tuple(data.draw(st.lists(line, max_size=3) | st.just([ReturnLine(Decimal(1), 0)] * (MAX_LINES + 1)))),
        data.draw(st.none() | number),
    )
    try:
        share = share_to_return(sale, request, ())
    except OverReturn:
        return
    except InvalidReturn as refused:
        assert refused.field_path[0] in {"lines", "amount"}  # noqa: PT017 - either outcome is right, under its own law
        return
    assert len(sale.lines) == len(share.fractions)
    assert all(0 <= fraction <= 1 for fraction in share.exact())


@given(members())
def test_a_member_shows_no_person(member: Member) -> None:
    """Neither the customer's id nor name is in any repr."""
    named = msgspec.structs.replace(member, name="Erika Mustermann")
    for shown in (repr(named), str(named.__rich_repr__())):
        assert "Mustermann" not in shown
        assert named.customer_id not in shown
