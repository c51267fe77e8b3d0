"""A PDI of our own: real HTTP, a durable point ledger, faults on demand.

`python -m loyalty_adapters.pdi_simulator` runs it; `create_app` and `run` are the same for code. It shares nothing with
the client it tests. See the README beside this file for every endpoint, setting and fault.
"""

from loyalty_adapters.pdi_simulator.server import Simulator, create_app, run
from loyalty_adapters.pdi_simulator.settings import Settings, SettingsError

__all__ = ["Settings", "SettingsError", "Simulator", "create_app", "run"]
