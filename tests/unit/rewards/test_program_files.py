"""Programs as files: what is wrong with one, and that what is right survives."""

import tomllib
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from loyalty_core.domain.program import RewardProgram, built_in_program, program_from_json, program_to_json
from loyalty_core.domain.program_check import check_program, read_document
from loyalty_core.domain.program_examples import example_program_toml, example_programs
from loyalty_core.domain.program_mistakes import InvalidProgram, ProgramMistake
from loyalty_core.domain.program_parts import Caps, Promotion, RedemptionRules, Tier, TimeWindow
from loyalty_core.domain.program_toml import program_from_toml, program_to_toml
from tests.unit.rewards.broken_rules import BROKEN_PROGRAMS, BROKEN_PROMOTIONS
from tests.unit.rewards.sales import program, times

SOUND = """
id = "shop"
version = "1"
currency = "EUR"
minor_units = 2
time_zone = "Europe/Vienna"
points_per_unit = 1
"""
BROKEN: Final = Path(__file__).parent / "broken"
"""Programs with mistakes, and beside each what its author is told, one mistake a line."""


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.toml")))
def test_every_mistake_is_named(name: str) -> None:
    """A broken file's mistakes are all reported, each with its path and what to change; it makes no program."""
    text = (BROKEN / f"{name}.toml").read_text(encoding="utf-8")
    expected = (BROKEN / f"{name}.mistakes").read_text(encoding="utf-8").splitlines()
    mistakes = check_program(text)
    assert expected == [str(mistake) for mistake in mistakes]
    with pytest.raises(InvalidProgram) as refused:
        program_from_toml(text)
    assert mistakes == refused.value.mistakes
    assert "invalid_program" == refused.value.code
    number = f"{len(expected)} mistake{'' if len(expected) == 1 else 's'}"
    assert [f"the reward program has {number}:", *(f"  {line}" for line in expected)] == str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id = " + "[" * 5000, "is nested more deeply than any program needs"),
        ("id = " + "9" * 5000, "has a number with more digits than any program needs"),
        ("id = 1e9999999999999999999", "has a number with more digits than any program needs"),
    ],
    ids=["deep", "long", "large"],
)
def test_files_that_no_person_wrote(text: str, message: str) -> None:
    """What would exhaust the reader is refused as a whole."""
    assert (ProgramMistake("", message),) == check_program(text)


def test_a_sound_program_has_no_mistakes() -> None:
    """The least that a program needs."""
    assert () == check_program(SOUND)
    assert Decimal(1) == program_from_toml(SOUND).points_per_unit


@pytest.mark.parametrize("name", example_programs())
def test_examples_are_sound(name: str) -> None:
    """Each program that comes with the library is without mistakes and survives being stored."""
    example = program_from_toml(example_program_toml(name))
    assert example == program_from_toml(program_to_toml(example))
    assert example == program_from_json(program_to_json(example))
    assert name == example.id


def test_the_examples_that_there_are() -> None:
    """Four examples, and no others."""
    assert ("built-in", "coffee-bar", "convenience-store", "grocery") == example_programs()
    with pytest.raises(KeyError, match="kiosk"):
        example_program_toml("kiosk")


def test_the_built_in_file_is_the_built_in_program() -> None:
    """The file to copy from says what the code does."""
    assert built_in_program() == program_from_toml(example_program_toml("built-in"))
    assert built_in_program() is built_in_program()


def test_stored_content_never_changes_its_name() -> None:
    """The content of a stored program keeps its hash across releases: a new field must not change old programs."""
    content = (
        b'{"id":"built-in","version":"1","currency":"USD","minor_units":2,"time_zone":"UTC","points_per_unit":"2",'
        b'"tiers":[{"name":"Bronze","bonus_percent":"0"},{"name":"Silver","bonus_percent":"25"},'
        b'{"name":"Gold","bonus_percent":"50"},{"name":"Platinum","bonus_percent":"100"}],'
        b'"exclusions":{"categories":["tobacco","lottery","gift_card"]},'
        b'"redemption":{"points_per_unit":100,"minimum_points":100,"step":100}}'
    )
    assert content == program_to_json(built_in_program())
    assert "30bc4a7df27cce1f347d2c48fbe1e1fafe7f6100d3a558638efcbfad707b2aff" == built_in_program().content_hash


def test_equal_programs_have_equal_hashes() -> None:
    """However a number is written, and whether a default is written out or not."""
    plain = program(times("offer", "2"))
    written_out = program(
        times("offer", "2.000", minimum_spend=Decimal("0.00")),
        minimum_spend=Decimal("0E+3"),
        caps=Caps(),
        stacking="best",
    )
    assert plain == written_out
    assert plain.content_hash == written_out.content_hash
    assert plain.content_hash != program(times("offer", "2.001")).content_hash


def test_content_that_is_no_program() -> None:
    """Stored content that is something else is refused, not guessed at."""
    with pytest.raises(msgspec.ValidationError):
        program_from_json(b'{"id":"x","surprise":1}')


def test_toml_reads_like_a_persons() -> None:
    """Plain keys first, then tables, promotions last; words for enums; local times; no exponents."""
    rules = program(
        Promotion(
            "night",
            'The "late" café',
            points=5,
            per="line",  # type: ignore[arg-type]  # the word will do
            exclusive=True,
            skus=("A", "B"),
            valid_from=datetime(2026, 3, 1, 6),  # noqa: DTZ001 - local to the program's zone
            times_of_day=(TimeWindow(time(22), time(2, 30)),),
        ),
        points_per_unit=Decimal("1E+2"),
        tiers=(Tier("Gold", Decimal("12.50")),),
        caps=Caps(points_per_transaction=500),
    )
    expected = """\
id = "test"
version = "1"
currency = "EUR"
minor_units = 2
time_zone = "UTC"
points_per_unit = 100
tiers = [{ name = "Gold", bonus_percent = 12.5 }]

[exclusions]
skus = ["BAG"]
categories = ["tobacco"]

[caps]
points_per_transaction = 500

[[promotions]]
id = "night"
name = "The \\"late\\" café"
points = 5
per = "line"
exclusive = true
skus = ["A", "B"]
valid_from = 2026-03-01T06:00:00
times_of_day = [{ start = 22:00:00, end = 02:30:00 }]
"""
    assert expected == program_to_toml(rules)
    assert rules == program_from_toml(expected)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"points_per_unit": 2.0}, "points_per_unit"),
        ({"points_per_unit": 2}, "points_per_unit"),
        ({"stacking": "all"}, "stacking"),
        ({"minor_units": 2.0}, "minor_units"),
        ({"caps": Caps(points_per_transaction=1.5)}, "caps.points_per_transaction"),  # type: ignore[arg-type]  # on purpose
        ({"redemption": RedemptionRules(points_per_unit=100.0)}, "redemption.points_per_unit"),  # type: ignore[arg-type]  # on purpose
    ],
)
def test_programs_in_code_are_judged_too(changes: dict[str, Any], path: str) -> None:
    """No float and no unknown word gets into a program that is built in code."""
    with pytest.raises(InvalidProgram) as refused:
        program(**changes)
    assert path == refused.value.mistakes[0].path


@pytest.mark.parametrize(
    ("conditions", "path"),
    [
        ({"points": 5.0, "per": "line"}, "points"),
        ({"points": 5, "per": "kilo"}, "per"),
        ({"multiplier": 2.0}, "multiplier"),
        ({"multiplier": Decimal(2), "days_of_week": ("friday",)}, "days_of_week[0]"),
        (
            {"multiplier": Decimal(2), "times_of_day": (TimeWindow(time(9, tzinfo=UTC), time(10)),)},
            "times_of_day[0].start",
        ),
    ],
)
def test_promotions_in_code_are_judged_too(conditions: dict[str, Any], path: str) -> None:
    """The same for a promotion."""
    with pytest.raises(InvalidProgram) as refused:
        program(Promotion("offer", "Offer", **conditions))
    assert [f"promotions[0].{path}"] == [mistake.path for mistake in refused.value.mistakes]


def test_mistakes_read_as_sentences() -> None:
    """A mistake is a path and what to change; a mistake of the whole file has no path."""
    assert "promotions[3].valid_from is missing" == str(ProgramMistake("promotions[3].valid_from", "is missing"))
    assert "is not valid TOML" == str(ProgramMistake("", "is not valid TOML"))


def test_a_program_is_immutable() -> None:
    """A program in force cannot change under a quote."""
    with pytest.raises(AttributeError):
        built_in_program().version = "2"  # type: ignore[misc]  # what must not work


def test_as_many_promotions_as_allowed() -> None:
    """A thousand promotions are allowed, one more is not."""
    offers = tuple(times(f"offer-{number}", "2") for number in range(1001))
    assert isinstance(program(*offers[:1000]), RewardProgram)
    with pytest.raises(InvalidProgram, match="must be at most 1000"):
        program(*offers)


@pytest.mark.parametrize(("fields", "field"), BROKEN_PROMOTIONS)
def test_each_rule_of_promotions(fields: dict[str, Any], field: str) -> None:
    """A promotion that breaks one rule is one mistake, at the field of that rule."""
    offer = {"id": "offer", "name": "Offer", "multiplier": Decimal(2), **fields}
    document = tomllib.loads(SOUND + 'tiers = [{ name = "Gold", bonus_percent = 50 }]')
    document["promotions"] = [{key: value for key, value in offer.items() if value is not None}]
    _, mistakes = read_document(document)
    assert [f"promotions[0]{field}"] == [mistake.path for mistake in mistakes]


@pytest.mark.parametrize(("fields", "path"), BROKEN_PROGRAMS)
def test_each_rule_of_programs(fields: dict[str, Any], path: str) -> None:
    """A program that breaks one rule is one mistake, at the field of that rule."""
    _, mistakes = read_document({**tomllib.loads(SOUND), **fields})
    assert path in [mistake.path for mistake in mistakes]


@pytest.mark.parametrize(
    ("number", "rate", "sound"), [(922, 1000, True), (924, 1000, False), (1000, 900, True), (1000, 924, False)]
)
def test_the_most_that_fits(number: int, rate: int, sound: bool) -> None:
    """Promotions that could exceed 64 bits together, on the largest basket, are refused."""
    offers = tuple(Promotion(f"p{place}", "P", multiplier=Decimal(1000)) for place in range(number))
    if sound:
        assert number == len(program(*offers, points_per_unit=Decimal(rate)).promotions)
    else:
        with pytest.raises(InvalidProgram, match="promotions could together award more than 9223372036854775807"):
            program(*offers, points_per_unit=Decimal(rate))
