"""`loyalty quote`: what a store manager reads, what a script reads, and how a slip is told."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from loyalty_core.domain.explanation_outcomes import Outcome
from loyalty_web.cli import main
from tests.unit.cli.baskets import CASES, Case

GOLDEN: Final = Path(__file__).parent / "golden"
_BASKET: Final = {"transactionAmount": 10}


def quote(case: Case, *more: str) -> Result:
    """The command, its basket on standard input."""
    words = ["quote", "--program", case.program, "--basket", "-", *case.options, *more]
    return CliRunner().invoke(main, words, input=json.dumps(case.basket))


def document(case: Case) -> Any:
    result = quote(case, "--json")
    assert (0, "") == (result.exit_code, result.stderr)
    return json.loads(result.stdout, parse_float=Decimal)


@pytest.mark.parametrize("name", CASES)
def test_pages(name: str) -> None:
    """Each page reads as it did when somebody checked its figures."""
    result = quote(CASES[name])
    assert (0, "") == (result.exit_code, result.stderr)
    expected = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert expected == [line.rstrip() for line in result.stdout.rstrip().splitlines()]


@pytest.mark.parametrize("name", CASES)
def test_documents_add_up(name: str) -> None:
    """Lines and parts sum to the total, promotions to their part, and takings to what there would have been."""
    told = document(CASES[name])
    assert told["earnedPoints"] == sum(line["earnedPoints"] for line in told["lines"])
    assert told["earnedPoints"] == told["breakdown"]["basePoints"] + told["bonusPoints"]
    promotions = sum(promotion["points"] for promotion in told["promotions"])
    assert told["bonusPoints"] == told["breakdown"]["tierBonus"] + promotions
    assert Decimal(str(CASES[name].basket["transactionAmount"])) == sum(line["spend"] for line in told["lines"])
    for promotion in told["promotions"]:
        taken = sum(promotion[f"takenBy{cap}Cap"] for cap in ("Promotion", "Number", "Transaction"))
        assert promotion["uncappedPoints"] == promotion["points"] + taken
        assert promotion["why"]


def test_every_reason_is_told_somewhere() -> None:
    """Between them, the pages show most of what may become of a promotion; the rest is in the tests of the wording."""
    seen = {promotion["outcome"] for case in CASES.values() for promotion in document(case)["promotions"]}
    assert {"paid", "other_tier", "other_channel", "not_now", "no_line", "minimum", "program_minimum"} <= seen
    assert {"exclusive", "too_many"} & seen
    assert seen <= {outcome.value for outcome in Outcome}


def test_figures_by_hand() -> None:
    """39.01 of fuel, food and drink after 2.00 paid by points: base 39, a fifth more for Fleet, and the offers."""
    told = document(CASES["pump-and-shop"])
    assert (39, 7, 159) == (told["breakdown"]["basePoints"], told["breakdown"]["tierBonus"], told["earnedPoints"])
    # 10.459 gallons at 5 points; 50 for ten; twice 4.81 more on the grill; once 1.92 more on the drink at night.
    assert [52, 0, 50, 9, 2] == [promotion["points"] for promotion in told["promotions"]]
    assert (200, Decimal("2.00")) == tuple(told["redemption"].values())
    assert [None, None, None, "excluded_category"] == [line["exclusion"] for line in told["lines"]]
    assert Decimal("39.01") == told["eligibleSpend"]


def test_amounts_are_exact() -> None:
    """A basket that binary fractions cannot hold comes back to the digit."""
    basket = b'{"transactionAmount": 1234567890.07, "items": [{"sku": "A", "qty": 0.0001, "unitPrice": 0.000001}]}'
    words = ["quote", "--program", "built-in", "--basket", "-", "--json"]
    told = CliRunner().invoke(main, words, input=basket).stdout
    assert '"spend":1234567890.07' in told


def test_a_file_and_a_session_that_does_not_matter(tmp_path: Path) -> None:
    """The body of a real call works as it is, from a file; --redeem goes before what it says."""
    path = tmp_path / "basket.json"
    body = {"sessionId": "sess_abc123", "transactionAmount": 150.00, "redeemPoints": 100}
    path.write_text(json.dumps({**body, "items": [{"sku": "SKU-001", "qty": 2}]}), encoding="utf-8")
    words = ["quote", "--program", "built-in", "--basket", str(path), "--tier", "Gold", "--json"]
    paid = json.loads(CliRunner().invoke(main, words).stdout)
    assert (100, 447) == (paid["redemption"]["points"], paid["earnedPoints"])
    told = json.loads(CliRunner().invoke(main, [*words, "--redeem", "0"]).stdout)
    assert (450, 300, 150, 3.0, None) == (
        told["earnedPoints"],
        told["breakdown"]["basePoints"],
        told["breakdown"]["tierBonus"],
        told["multiplier"],
        told["redemption"],
    )


@pytest.mark.parametrize(
    ("basket", "told"),
    [
        ({}, "transactionAmount is required"),
        ({"transactionAmount": "10"}, "transactionAmount must be a number, without quotes"),
        ({"transactionAmount": 10.001}, "transactionAmount must have at most 2 decimals in USD"),
        ({"transactionAmount": 10, "item": []}, "item is not a field of this call"),
        ({"transactionAmount": 10, "items": [{"sku": "A", "qty": 0}]}, "items[0].qty must be more than 0"),
        ({"transactionAmount": 10, "items": [{"sku": "A B", "qty": 1}]}, "items[0].sku must be 1 to 64 characters"),
        ({"transactionAmount": 10, "redeemPoints": 50}, "at least 100 points must be redeemed"),
        ({"transactionAmount": 10, "redeemPoints": 2000}, "points may pay at most 10.00 USD"),
    ],
)
def test_baskets_that_cannot_be(basket: dict[str, Any], told: str) -> None:
    """The words are those of the service, and the exit code is 1."""
    result = quote(Case("built-in", (), basket))
    assert 1 == result.exit_code
    assert told in result.stderr
    assert "Traceback" not in result.output


def test_text_that_is_no_basket() -> None:
    """Where it stops being JSON is told in line and column."""
    result = CliRunner().invoke(main, ["quote", "--program", "built-in", "--basket", "-"], input='{\n "items": }')
    assert 1 == result.exit_code
    assert "body is not JSON: " in result.stderr
    assert "line 2" in result.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--at", "2026-11-23T09:00:00"), "has no offset"),
        (("--at", "noon"), "noon is no time"),
        (("--channel", "a b"), "channel must be 1 to 64 characters"),
        (("--redeem", "-1"), "-1 is not in the range x>=0"),
    ],
)
def test_slips_on_the_command_line(options: tuple[str, ...], told: str) -> None:
    """One sentence each."""
    result = quote(Case("built-in", options, _BASKET))
    assert result.exit_code in {1, 2}
    assert told in result.stderr


def test_a_program_that_is_none(tmp_path: Path) -> None:
    """All of its mistakes, and no quote."""
    path = tmp_path / "broken.toml"
    path.write_text('id = "x"\n', encoding="utf-8")
    result = quote(Case(str(path), (), _BASKET))
    assert (1, "") == (result.exit_code, result.stdout)
    assert "the reward program has 5 mistakes:" in result.stderr
