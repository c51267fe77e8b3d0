# ruff: noqa: INP001 - a script of the Makefile, no package
"""Makes the PrometheusRule of the alerts that Prometheus of the compose stack reads, so that there is one copy of them.

`python k8s/prometheus_rule.py` writes it to standard output; `make rules` puts it where kustomize finds it.
"""

import sys
from pathlib import Path
from textwrap import indent

ALERTS = Path(__file__).parents[1] / "docker" / "prometheus" / "alerts.yaml"
HEAD = """\
# Made of docker/prometheus/alerts.yaml by `make rules`: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: loyalty-service
  labels: { app: loyalty-service }
spec:
"""

rules = ALERTS.read_text(encoding="utf-8")
sys.stdout.write(HEAD + indent(rules[rules.index("groups:") :], "  "))
