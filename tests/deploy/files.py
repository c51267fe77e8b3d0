"""What is deployed, as the files say it."""

import json
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # ships no types

ROOT: Final = Path(__file__).parents[2]
DOCKER: Final = ROOT / "docker"
K8S: Final = ROOT / "k8s"
ALERTS: Final = DOCKER / "prometheus" / "alerts.yaml"
DASHBOARDS: Final = DOCKER / "grafana" / "dashboards"
PROMETHEUS_RULE: Final = K8S / "components" / "monitoring" / "prometheus-rule.yaml"


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def document(path: Path) -> dict[str, Any]:
    """The one document of a YAML file."""
    (found,) = documents(path)
    return found


def manifest(path: str, kind: str, name: str) -> dict[str, Any]:
    """One object of a file below `k8s`."""
    (found,) = (it for it in documents(K8S / path) if it["kind"] == kind and it["metadata"]["name"] == name)
    return found


def settings_of(path: str) -> dict[str, str]:
    """The variables of an env file below `k8s`."""
    lines = (K8S / path).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def rules() -> list[dict[str, Any]]:
    """Every recording and alerting rule."""
    return [rule for group in document(ALERTS)["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerting rules by their names."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def panels() -> list[dict[str, Any]]:
    """Every panel of every dashboard that asks for something."""
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        found += [panel for panel in json.loads(path.read_text(encoding="utf-8"))["panels"] if "targets" in panel]
    return found


def panel_expressions() -> list[str]:
    """Everything the dashboards ask Prometheus for, with a window in the place of Grafana's variable."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [expression.replace("$__rate_interval", "2m") for expression in asked]
