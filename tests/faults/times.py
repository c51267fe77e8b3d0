"""How long things take in the fault suites: a tenth of production's times in the gate, the full ones when asked."""

import os
from dataclasses import dataclass
from typing import Final

LONG: Final = os.environ.get("LOYALTY_FAULTS") == "long"
"""`LOYALTY_FAULTS=long`: full times, many kills. Takes the better part of an hour."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. Everything the service waits for follows from `scale`."""

    scale: float = 1.0 if LONG else 0.1

    @property
    def identify(self) -> float:
        return 5.0 * self.scale

    @property
    def calculate(self) -> float:
        return 8.0 * self.scale

    @property
    def finalize(self) -> float:
        return 10.0 * self.scale

    @property
    def status(self) -> float:
        return 3.0 * self.scale

    slack: float = 0.5
    """What our own answer may take beyond PDI's time: the promise of the service, at every scale."""

    @property
    def breaker_open(self) -> float:
        return 10.0 * self.scale

    @property
    def longer_than_any_call(self) -> float:
        return 12.0 * self.scale

    def environment(self) -> dict[str, str]:
        """The settings that say so to the service."""
        seconds = {
            "PDI_IDENTIFY_SECONDS": self.identify,
            "PDI_CALCULATE_SECONDS": self.calculate,
            "PDI_FINALIZE_SECONDS": self.finalize,
            "PDI_RETURN_SECONDS": self.finalize,
            "PDI_STATUS_SECONDS": self.status,
            "ANSWER_SLACK_SECONDS": self.slack,
            "PDI_BREAKER_WINDOW_SECONDS": 10.0 * self.scale,
            "PDI_BREAKER_OPEN_SECONDS": self.breaker_open,
            "PDI_BREAKER_OPEN_CAP_SECONDS": 30.0 * self.scale,
            "QUEUE_BACKOFF_SECONDS": 1.0 * self.scale,
            "QUEUE_BACKOFF_CAP_SECONDS": 45.0 * self.scale,
            "QUEUE_PROBE_SECONDS": 1.0 * self.scale,
        }
        return {name: f"{value:g}" for name, value in seconds.items()}


TIMES: Final = Times()
