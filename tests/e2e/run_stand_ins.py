"""Runs the development stack with stand-ins: `python run_stand_ins.py HOME PORT PDI_PORT [--with-parent]`."""

import dataclasses
import sys
from pathlib import Path

from loyalty_adapters.embedded import EmbeddedServersError
from loyalty_web.cli.dev import run_stack
from loyalty_web.development.home import DevelopmentHome
from loyalty_web.development.program import DevelopmentError
from loyalty_web.development.stack import Programs, own_programs

STAND_IN = str(Path(__file__).with_name("stand_in.py"))


def stand_ins(home: DevelopmentHome, pdi_port: int) -> Programs:
    roles = {"migrate": "migrate", "create_key": "keys", "serve": "serve", "work": "work"}
    return dataclasses.replace(
        own_programs(home, pdi_port), **{name: (sys.executable, STAND_IN, role) for name, role in roles.items()}
    )


if __name__ == "__main__":
    try:
        run_stack(
            Path(sys.argv[1]), port=int(sys.argv[2]), pdi_port=int(sys.argv[3]),
            with_parent="--with-parent" in sys.argv, programs=stand_ins,
        )  # fmt: skip
    except (DevelopmentError, EmbeddedServersError) as error:
        sys.exit(f"Error: {error}")
