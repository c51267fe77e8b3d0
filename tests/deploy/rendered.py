"""Judges manifests on standard input by Kubernetes' own schemas, strictly; what it has no schema for must be known."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import yaml  # type: ignore[import-untyped]  # ships no types

_OPERATOR: Final = {"monitoring.coreos.com/v1": {"PrometheusRule", "ServiceMonitor"}}
"""Kinds of the Prometheus operator. The rules in them are promtool's to judge."""


def main() -> int:
    """0 where all is well; the faults are on standard output."""
    found = [it for it in yaml.safe_load_all(sys.stdin.read()) if it]
    ours = [it for it in found if it["kind"] not in _OPERATOR.get(it["apiVersion"], set())]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rendered.yaml")
        path.write_text(yaml.safe_dump_all(ours), encoding="utf-8")
        validate = Path(sys.executable).with_name("kubernetes-validate")
        run = subprocess.run([validate, "--strict", "--quiet", path], check=False, capture_output=True, text=True)
    faults = f"{run.stdout}{run.stderr}".replace(str(path), "").strip()
    sys.stdout.write(f"{faults}\n" if faults else f"{len(found)} objects, {len(ours)} of them by schema: fine\n")
    # A kind without a schema, a misspelt apiVersion for one, is no more than a warning there.
    return 1 if faults or run.returncode or not ours else 0


if __name__ == "__main__":
    sys.exit(main())
