"""A process that counts in the folder of its environment and says so: `python -m … <gauge>`.

Each line it reads makes it count once more, and is answered with how often it has counted itself.
"""

import sys

from loyalty_adapters.observability.exposition import MetricsRegistry
from loyalty_adapters.observability.metrics import Metrics


def main() -> None:
    metrics = Metrics(MetricsRegistry.from_environment().own, version="1")
    metrics.pdi_in_flight.set(int(sys.argv[1]))
    for count, _ in enumerate(sys.stdin, start=1):
        metrics.request_answered("POST", "/finalize", 200, 0.02)
        sys.stdout.write(f"{count}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
