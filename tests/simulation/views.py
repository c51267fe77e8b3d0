from collections import Counter
from collections.abc import Callable
from typing import Final

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.identifiers import ReturnId, SessionId, parse_session_id
from loyalty_core.domain.session import Session
from tests.simulation.history import Violation
from tests.simulation.pdi import Booking, SimulatedPdi


class Views:
    """The database and the host's ledger, seen side by side and from above."""

    def __init__(self, store: MemorySessions, pdi: SimulatedPdi, elapsed: Callable[[], float]) -> None:
        self.store: Final = store
        self.pdi: Final = pdi
        self.elapsed: Final = elapsed

    def session(self, session_id: SessionId) -> Session:
        return next(session for session in self.store.all() if session.id == session_id)

    def find(self, key: str) -> Session | None:
        """The session that an idempotency key is of."""
        session_id = parse_session_id(key.partition(":")[0])
        return next((session for session in self.store.all() if session.id == session_id), None)

    def booked(self, session: Session) -> list[Booking]:
        """What the host has booked under any key of `session`."""
        prefix = f"sess_{session.id.hex}:"
        return [booking for booking in self.pdi.ledger if booking.key.startswith(prefix)]

    def booked_sale(self, session: Session) -> list[Booking]:
        """Its sale, as often as the host has booked it."""
        return [booking for booking in self.booked(session) if booking.returned is None]

    def booked_return(self, session: Session, return_id: ReturnId) -> list[Booking]:
        """One of its returns, as often as the host has booked it."""
        return [booking for booking in self.booked(session) if booking.returned == return_id]

    def booked_keys(self) -> set[str]:
        return {booking.key for booking in self.pdi.ledger}

    def one_holder_of_each_key(self) -> None:
        """No two sessions hold the same channel and transaction."""
        held = Counter((session.channel, session.transaction) for session in self.store.all() if session.holds_its_key)
        for key, holders in held.items():
            if holders > 1:
                raise Violation(f"{holders} sessions hold {key}")
