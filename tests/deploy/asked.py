"""Writes what the dashboards ask Prometheus for as a file of rules, so that `promtool check rules` can read it."""

import sys

import yaml  # type: ignore[import-untyped]  # ships no types

from tests.deploy.files import panel_expressions

if __name__ == "__main__":
    asked = [{"record": f"asked:{number}", "expr": text} for number, text in enumerate(panel_expressions(), 1)]
    sys.stdout.write(yaml.safe_dump({"groups": [{"name": "asked", "rules": asked}]}))
