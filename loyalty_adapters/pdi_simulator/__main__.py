"""`python -m loyalty_adapters.pdi_simulator`."""

import sys
from collections.abc import Sequence

from loyalty_adapters.pdi_simulator.lifeline import ParentGoneError, die_with_parent
from loyalty_adapters.pdi_simulator.server import run
from loyalty_adapters.pdi_simulator.settings import SettingsError, from_process


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the simulator; the exit code: 0 when asked to stop, 1 when it cannot run, 2 when it refuses to start."""
    try:
        settings = from_process(sys.argv[1:] if arguments is None else arguments)
        if settings.parent is not None:
            die_with_parent(settings.parent)
    except (SettingsError, ParentGoneError) as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
