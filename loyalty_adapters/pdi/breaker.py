"""The circuit breaker: aiobreaker's state machine behind a door of our own.

aiobreaker holds the state and the count of failures in a row. Taken alone it would let every waiting call through as a
probe, mix naive clocks, leave a cancelled probe half-open and let the late result of an old call flip the state. So
calls never run inside it: the door decides who may pass, by monotonic time, and tells it afterwards how it went.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from aiobreaker import (  # type: ignore[import-untyped]  # aiobreaker ships no types
    CircuitBreaker,
    CircuitBreakerError,
    CircuitBreakerListener,
)
from aiobreaker.state import CircuitBreakerState  # type: ignore[import-untyped]  # aiobreaker ships no types
from aiobreaker.storage.memory import CircuitMemoryStorage  # type: ignore[import-untyped]  # aiobreaker ships no types

from loyalty_adapters.pdi.breaker_window import SlidingWindow
from loyalty_adapters.pdi.settings import CircuitSettings
from loyalty_core.ports.clock import Clock

PROBE_WAIT: Final = 1.0
"""Seconds after which to ask again while another call is the probe, if the circuit has no better idea."""


class CircuitState(StrEnum):
    """The three states, in the words of the health check."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


StateListener = Callable[[str, CircuitState, CircuitState], None]
"""Told the circuit's name, the state it left and the one it entered. It must not raise."""


class CircuitOpen(Exception):
    """No call may pass now. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class Permit:
    """Leave for one call, to be given back once by exactly one of its methods; more are ignored."""

    __slots__ = ("_circuit", "_generation")

    def __init__(self, circuit: "Circuit", generation: int) -> None:
        self._circuit: Circuit | None = circuit
        self._generation = generation

    def succeeded(self, *, slow: bool = False) -> None:
        """The endpoint answered; `slow` where it took most of the time it had."""
        if self._circuit is not None:
            self._circuit._settle(self._generation, failed=False, slow=slow)  # noqa: SLF001 - its other half
            self._circuit = None

    def failed(self) -> None:
        """The endpoint did not answer, or with a failure of its own."""
        if self._circuit is not None:
            self._circuit._settle(self._generation, failed=True, slow=False)  # noqa: SLF001 - its other half
            self._circuit = None

    def abandoned(self) -> None:
        """The caller went away: nothing was learnt about the endpoint."""
        if self._circuit is not None:
            self._circuit._abandon(self._generation)  # noqa: SLF001 - its other half
            self._circuit = None


class Circuit:
    """One circuit for one endpoint, of one process.

    It opens after a number of failures in a row, or when enough of the calls in a window failed or were slow. After
    `open_for` exactly one call may pass as the probe: if it succeeds in good time the circuit closes and forgets; if it
    fails or is slow the circuit stays open for twice as long, up to a cap; if it is cancelled, for as long as before.
    """

    def __init__(
        self, name: str, settings: CircuitSettings, clock: Clock, on_change: StateListener | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._window = SlidingWindow(settings.window)
        self._generation = 0  # counts changes of state: the result of a call from before one is not heard
        self._opened_at = 0.0
        self._open_for = settings.open_for
        self._breaker = _ClocklessBreaker(name, settings.failures_in_a_row)
        self._breaker.add_listener(_Relay(self._changed))
        self._name = name
        self._on_change = on_change

    @property
    def state(self) -> CircuitState:
        """The state as a caller would meet it now: half-open from the moment a probe may pass."""
        state = _STATES[self._breaker.current_state]
        if state is CircuitState.OPEN and self._remaining() <= 0:
            return CircuitState.HALF_OPEN
        return state

    @property
    def retry_after(self) -> float:
        """Seconds until a call may pass; 0 where it may now."""
        state = self._breaker.current_state
        if state is CircuitBreakerState.CLOSED:
            return 0.0
        if state is CircuitBreakerState.HALF_OPEN:
            return min(PROBE_WAIT, self._settings.open_for)
        return max(0.0, self._remaining())

    def admit(self) -> Permit:
        """Leave for one call.

        Raises:
            CircuitOpen: the endpoint is being left alone, or another call is the probe.
        """
        if self._breaker.current_state is not CircuitBreakerState.CLOSED:
            retry_after = self.retry_after
            if retry_after > 0:
                raise CircuitOpen(retry_after)
            self._breaker.half_open()
        return Permit(self, self._generation)

    def _settle(self, generation: int, *, failed: bool, slow: bool) -> None:
        if generation != self._generation:
            return
        if self._breaker.current_state is CircuitBreakerState.HALF_OPEN:
            if failed or slow:
                self._open_for = min(self._open_for * 2, self._settings.open_cap)
            self._breaker.report(ok=not (failed or slow))
            return
        window = self._window
        window.record(self._clock.monotonic(), bad=failed or slow)
        self._breaker.report(ok=not failed)
        if window.calls >= self._settings.window_calls and window.bad >= self._settings.window_share * window.calls:
            self._breaker.open()

    def _abandon(self, generation: int) -> None:
        if generation == self._generation and self._breaker.current_state is CircuitBreakerState.HALF_OPEN:
            self._breaker.open()

    def _remaining(self) -> float:
        return self._opened_at + self._open_for - self._clock.monotonic()

    def _changed(self, old: CircuitState, new: CircuitState) -> None:
        self._generation += 1
        if new is CircuitState.OPEN:
            self._opened_at = self._clock.monotonic()
        elif new is CircuitState.CLOSED:
            self._window.clear()
            self._open_for = self._settings.open_for
        if self._on_change is not None:
            self._on_change(self._name, old, new)


_STATES: Final = {
    CircuitBreakerState.CLOSED: CircuitState.CLOSED,
    CircuitBreakerState.OPEN: CircuitState.OPEN,
    CircuitBreakerState.HALF_OPEN: CircuitState.HALF_OPEN,
}


class _Reported(Exception):
    """Carries a verdict into aiobreaker and back out."""


def _succeed() -> None:
    pass


def _fail() -> None:
    raise _Reported


class _ClocklessBreaker(CircuitBreaker):  # type: ignore[misc]  # aiobreaker ships no types, so its classes are Any
    """aiobreaker without its clock: it would stamp naive UTC and compare it with naive local time."""

    def __init__(self, name: str, fail_max: int) -> None:
        self._storage = CircuitMemoryStorage(CircuitBreakerState.CLOSED)
        super().__init__(fail_max=fail_max, state_storage=self._storage, name=name)

    def open(self) -> None:
        self._enter(CircuitBreakerState.OPEN)

    def half_open(self) -> None:
        self._enter(CircuitBreakerState.HALF_OPEN)

    def close(self) -> None:
        self._enter(CircuitBreakerState.CLOSED)

    @property
    def opens_at(self) -> None:
        return None

    def _enter(self, state: CircuitBreakerState) -> None:
        self._storage.state = state  # first, so that a listener who looks sees the state it is told of
        self.state = state

    def report(self, *, ok: bool) -> None:
        """A call that ran elsewhere went well, or did not; the state follows."""
        if ok:
            self.call(_succeed)
            return
        try:
            self.call(_fail)
        except (_Reported, CircuitBreakerError):
            return


class _Relay(CircuitBreakerListener):  # type: ignore[misc]  # aiobreaker ships no types, so its classes are Any
    def __init__(self, changed: Callable[[CircuitState, CircuitState], None]) -> None:
        self._changed = changed

    def state_change(self, breaker: Any, old: Any, new: Any) -> None:  # noqa: ARG002 - aiobreaker's signature
        if old.state is not new.state:  # a call may open it for both reasons at once
            self._changed(_STATES[old.state], _STATES[new.state])
