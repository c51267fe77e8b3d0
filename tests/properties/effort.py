"""How hard the laws are tried. ``HYPOTHESIS_PROFILE`` is ``quick``, unless it says ``long``."""

import os
from typing import Final

from hypothesis import HealthCheck, settings

EXAMPLES: Final = {"quick": 50, "long": 4_096}
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "quick")


def effort(factor: int) -> settings:
    """`factor` times the examples of a law: for cheap ones that have many cases to reach."""
    return settings(max_examples=factor * EXAMPLES[PROFILE])


def load_profile() -> None:
    """Make the chosen profile the default of all laws."""
    for name, examples in EXAMPLES.items():
        # Generated programs are large, and the machine may be busy: neither is a fault of a law.
        settings.register_profile(
            name,
            deadline=None,
            max_examples=examples,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
    settings.load_profile(PROFILE)
