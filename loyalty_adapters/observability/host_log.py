from typing import Final

import structlog

from loyalty_adapters.observability.traces import Work

_ROUTINE: Final = frozenset({"accepted", "rejected", "session_unknown"})
"""Endings that need nobody: what PDI said."""
_HELD_BACK: Final = frozenset({"circuit_open", "token_circuit_open"})
"""Calls that an open circuit kept from PDI; that it opened has a line of its own."""

_log = structlog.get_logger(context="PdiClient")


class HostLog:
    """What is logged of PDI: what went wrong on a line of its own, the rest on the line of what it was asked for."""

    @staticmethod
    def call_ended(endpoint: str, outcome: str, seconds: float, reason: str | None, work: Work | None = None) -> None:
        """One call ended. Neither what was sent nor what came back is told, but the stable word for what went wrong.

        A routine ending is told on the line of `work`, where that is given: `pdiDuration`, in milliseconds, sums up its
        calls.
        """
        is_routine, took = outcome in _ROUTINE or reason in _HELD_BACK, round(seconds * 1000, 1)
        if work is not None:
            before = work.facts.get("pdiDuration")
            work.facts["pdiDuration"] = round(before + took, 1) if isinstance(before, float) else took
            work.facts["pdiOutcome"] = str(outcome)
            if is_routine:
                return
        write = _log.info if is_routine else _log.warning
        why = {} if reason is None else {"reason": reason}
        write("PDI called", endpoint=endpoint, outcome=str(outcome), duration=took, **why)

    @staticmethod
    def circuit_changed(circuit: str, old: str, new: str) -> None:
        """A circuit opened, closed, or lets a probe through."""
        _log.warning("Circuit changed", circuit=circuit, fromState=str(old), toState=str(new))
