from functools import cache
from typing import Final

import pytest

from tests.deploy.files import panel_expressions, rules
from tests.deploy.promql import Sample, faults, samples
from tests.unit.observability.exercised import exercised_registry

RECORDED: Final = [rule["record"] for rule in rules() if "record" in rule]


@cache
def _exposed() -> list[Sample]:
    return samples(exercised_registry().expose().body.decode())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_what_is_measured(rule: dict[str, str]) -> None:
    """Each metric, label and value in a rule is one that the service has: a renamed one fails here, not at night."""
    assert [] == faults(rule["expr"], _exposed(), RECORDED)


@pytest.mark.parametrize("expression", panel_expressions())
def test_a_panel_asks_for_what_is_measured(expression: str) -> None:
    """The same for what the dashboards show."""
    assert [] == faults(expression, _exposed(), RECORDED)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum(loyalty_http_requests)", "loyalty_http_requests: no such metric"),
        ('loyalty_points_total{sort="earned"}', "loyalty_points_total: no label sort"),
        ('loyalty_points_total{kind="burned"}', "loyalty_points_total: kind is never burned"),
        ('loyalty_points_total{kind=~"earned|burned"}', "loyalty_points_total: kind is never burned"),
        ("loyalty_points_total{kind=earned}", "loyalty_points_total: cannot read kind=earned"),
        ("loyalty:calls:rate7m", "loyalty:calls:rate7m: no such recording rule"),
        ("sum by (kind, sort) (loyalty_points_total)", "by (sort): no such label"),
    ],
)
def test_a_name_that_is_not_there_is_found(expression: str, fault: str) -> None:
    """The checks above can fail: each kind of fault is made here once."""
    assert fault in faults(expression, _exposed(), RECORDED)
