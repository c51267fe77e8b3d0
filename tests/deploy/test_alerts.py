import re
import subprocess
import sys
from typing import Final

import pytest

from tests.deploy.files import ALERTS, DOCKER, K8S, PROMETHEUS_RULE, ROOT, alerts, document

RUNBOOK: Final = (DOCKER / "runbook.md").read_text(encoding="utf-8")
TESTS: Final = document(ALERTS.with_name("alerts_test.yaml"))["tests"]


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_whom_it_calls_and_what_to_do(name: str) -> None:
    """Every alert has a severity, a sentence, and a section of the runbook that it leads to, with a command in it."""
    alert = alerts()[name]
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    assert f"docker/runbook.md#{name.lower()}" == alert["annotations"]["runbook"]
    assert section is not None
    assert re.search(r"```|`[A-Za-z-]+ [^`]+`", section[1])


def test_the_runbook_knows_no_other_alerts() -> None:
    """A section of the runbook whose alert is gone, or was renamed, is found."""
    assert sorted(alerts()) == sorted(re.findall(r"^### (Loyalty\w+)$", RUNBOOK, re.MULTILINE))


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    """alerts_test.yaml, which promtool runs, has both for each of them."""
    checks = [check for test in TESTS for check in test["alert_rule_test"]]
    assert set(alerts()) == {check["alertname"] for check in checks if check.get("exp_alerts")}
    assert set(alerts()) == {check["alertname"] for check in checks if not check.get("exp_alerts")}


def test_kubernetes_has_the_same_rules() -> None:
    """The PrometheusRule is what its script makes of the one copy that is edited."""
    made = subprocess.run(
        [sys.executable, K8S / "prometheus_rule.py"], check=True, capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert made.stdout == PROMETHEUS_RULE.read_text(encoding="utf-8"), "run `make rules`"
    assert document(ALERTS)["groups"] == document(PROMETHEUS_RULE)["spec"]["groups"]
