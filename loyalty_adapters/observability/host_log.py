from typing import Final

import structlog

_ROUTINE: Final = frozenset({"accepted", "rejected", "session_unknown", "not_sent"})
"""Endings that need nobody: what PDI said, and what an open circuit, which has a line of its own, kept from it."""

_log = structlog.get_logger(context="PdiClient")


class HostLog:
    """One line for each call to PDI, and for each change of a circuit."""

    @staticmethod
    def call_ended(endpoint: str, outcome: str, seconds: float) -> None:
        """One call ended. Neither what was sent nor what came back is told."""
        write = _log.info if outcome in _ROUTINE else _log.warning
        write("PDI called", endpoint=endpoint, outcome=str(outcome), duration=round(seconds * 1000, 1))

    @staticmethod
    def circuit_changed(circuit: str, old: str, new: str) -> None:
        """A circuit opened, closed, or lets a probe through."""
        _log.warning("Circuit changed", circuit=circuit, fromState=str(old), toState=str(new))
