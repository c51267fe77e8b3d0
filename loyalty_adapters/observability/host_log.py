from typing import Final

import structlog

_ROUTINE: Final = frozenset({"accepted", "rejected", "session_unknown"})
"""Endings that need nobody: what PDI said."""
_HELD_BACK: Final = frozenset({"circuit_open", "token_circuit_open"})
"""Calls that an open circuit kept from PDI; that it opened has a line of its own."""

_log = structlog.get_logger(context="PdiClient")


class HostLog:
    """One line for each call to PDI, and for each change of a circuit."""

    @staticmethod
    def call_ended(endpoint: str, outcome: str, seconds: float, reason: str | None) -> None:
        """One call ended. Neither what was sent nor what came back is told, but the stable word for what went wrong."""
        write = _log.info if outcome in _ROUTINE or reason in _HELD_BACK else _log.warning
        why = {} if reason is None else {"reason": reason}
        write("PDI called", endpoint=endpoint, outcome=str(outcome), duration=round(seconds * 1000, 1), **why)

    @staticmethod
    def circuit_changed(circuit: str, old: str, new: str) -> None:
        """A circuit opened, closed, or lets a probe through."""
        _log.warning("Circuit changed", circuit=circuit, fromState=str(old), toState=str(new))
