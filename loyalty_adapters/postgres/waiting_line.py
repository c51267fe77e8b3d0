import asyncio
from collections import deque
from collections.abc import Callable

from loyalty_adapters.postgres.direct import DirectConnection
from loyalty_core.domain.errors import Overloaded


class WaitingLine:
    """Callers that wait for a connection that is at work, first come, first served: it goes from hand to hand.

    The pool's own line costs as much as a statement. It is left with what it is needed for: connections that have to be
    made.
    """

    def __init__(self, most: int, unclaimed: Callable[[DirectConnection], None]) -> None:
        """At most so many wait. `unclaimed` gets a connection that is nobody's: whose turn it was has gone away."""
        self._most = most
        self._unclaimed = unclaimed
        self._turns: deque[asyncio.Future[DirectConnection | None]] = deque()

    def __len__(self) -> int:
        return len(self._turns)

    async def wait(self, deadline: float) -> DirectConnection | None:
        """The connection that is given back when it is this caller's turn; None where one was lost instead.

        Raises:
            Overloaded: too many wait, or none was given back by `deadline`, in the loop's time.
        """
        if len(self._turns) >= self._most:
            raise Overloaded
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[DirectConnection | None] = loop.create_future()
        self._turns.append(turn)
        end = loop.call_at(deadline, self._give_up, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._turns.remove(turn)
            elif (connection := turn.result()) is not None and not self.give(connection):
                self._unclaimed(connection)
            raise
        finally:
            end.cancel()

    def give(self, connection: DirectConnection) -> bool:
        """Give it to whoever has waited longest; False where nobody waits."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    def dissolve(self) -> None:
        """A connection was lost, so one has to be made: everybody asks the pool."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)

    def _give_up(self, turn: "asyncio.Future[DirectConnection | None]") -> None:
        if not turn.done():
            self._turns.remove(turn)
            turn.set_exception(Overloaded())
