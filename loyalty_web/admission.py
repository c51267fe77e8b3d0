"""Which calls are worked on now, which wait, and which are sent away before any work was done for them."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from types import TracebackType
from typing import Final, NamedTuple

from litestar.types import HTTPReceiveMessage, Receive

from loyalty_core.domain.errors import Overloaded
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.clock import Clock

FULL: Final = "full"
LATE: Final = "late"
"""Why a call was sent away: too many waited, or it had waited long enough."""

_NOTHING: Final[AbstractContextManager[object]] = nullcontext()


class AdmissionPolicy(NamedTuple):
    """The bounds of one process."""

    at_work: int = 16
    """Calls that are worked on at once. What waits for PDI, for a twin or for its own body is not worked on."""
    waiting: int = 256
    patience: float = 1.0
    """Seconds that a call waits for its turn."""


class Admission:
    """Lets calls in, as many as can be worked on at once; the others wait for their turn, client by client.

    A process that takes in all that comes slows all of it down alike, whoever sent too much. Here a client that sends
    twenty times as much as another waits in a line of its own: of each line one call is let in in turn, and where too
    many wait it is the longest line that loses its last. Whatever was let in is never sent away: it may have begun
    something that has to be ended.
    """

    def __init__(self, policy: AdmissionPolicy, on_shed: Callable[[str, ClientId], None] = lambda _, __: None) -> None:
        """`on_shed` is told why a call was sent away, and whose."""
        self._policy = policy
        self._on_shed = on_shed
        self._lines: OrderedDict[ClientId, deque[asyncio.Future[None]]] = OrderedDict()
        self.at_work = 0
        self.waiting = 0

    async def enter(self, client: ClientId) -> "Turn":
        """Wait for a turn; `Turn.end` it.

        Raises:
            Overloaded: it did not come; nothing was done.
        """
        if self.at_work >= self._policy.at_work or self.waiting:
            await self._wait(client)
        else:
            self.at_work += 1
        return Turn(self)

    def begin(self) -> None:
        """One more is worked on, whether there is room or not: it was let in before."""
        self.at_work += 1

    def end(self) -> None:
        """One less is worked on; who is next in turn is let in."""
        self.at_work -= 1
        while self._lines and self.at_work < self._policy.at_work:
            client, line = self._lines.popitem(last=False)
            turn = line.popleft()
            self.waiting -= 1
            if line:
                self._lines[client] = line  # behind the others
            if not turn.done():
                self.at_work += 1
                turn.set_result(None)

    async def _wait(self, client: ClientId) -> None:
        self._make_room(client)
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._lines.setdefault(client, deque()).append(turn)
        self.waiting += 1
        end = loop.call_later(self._policy.patience, self._shed, client, turn, LATE)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.end()  # its turn had come, and nobody is there to take it
            else:
                self._leave_line(client, turn)
            raise
        finally:
            end.cancel()

    def _make_room(self, client: ClientId) -> None:
        """Where as many wait as may, send away the last of the longest line, be it this client's own."""
        if self.waiting < self._policy.waiting:
            return
        longest = max(self._lines, key=lambda other: len(self._lines[other]))
        if len(self._lines[longest]) <= len(self._lines.get(client, ())) + 1:
            self._on_shed(FULL, client)
            raise Overloaded
        self._shed(longest, self._lines[longest][-1], FULL)

    def _shed(self, client: ClientId, turn: "asyncio.Future[None]", why: str) -> None:
        if not turn.done():
            self._leave_line(client, turn)
            self._on_shed(why, client)
            turn.set_exception(Overloaded())

    def _leave_line(self, client: ClientId, turn: "asyncio.Future[None]") -> None:
        line = self._lines.get(client)
        if line is not None and turn in line:
            line.remove(turn)
            self.waiting -= 1
            if not line:
                del self._lines[client]


class Turn:
    """A call that was let in. While it waits for somebody else, others are worked on in its place."""

    __slots__ = ("_admission", "_asides", "_ended")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._asides = 0
        self._ended = False

    def step_aside(self) -> None:
        """It waits. So may several of its tasks, one within the other; `step_back` as often."""
        self._asides += 1
        if self._asides == 1 and not self._ended:
            self._admission.end()

    def step_back(self) -> None:
        """It goes on, at once: what it waited for may have to be written down."""
        self._asides -= 1
        if self._asides == 0 and not self._ended:
            self._admission.begin()

    def end(self) -> None:
        """It is answered. Work that goes on without anybody waiting for it does not count."""
        self._ended = True
        if self._asides == 0:
            self._admission.end()

    def receiving(self, receive: Receive) -> Receive:
        """The same, stepping aside until a body that its client takes its time over has come."""

        async def receive_aside() -> HTTPReceiveMessage:
            self.step_aside()
            try:
                return await receive()  # type: ignore[return-value]  # only ever of a request over HTTP
            finally:
                self.step_back()

        return receive_aside


TURN: Final[ContextVar[Turn | None]] = ContextVar("turn", default=None)
"""Of the call that this task works for. Tasks that a call starts have their call's."""


class Aside:
    """Context manager: whoever waits in its block is not worked on meanwhile."""

    __slots__ = ("_seam", "_turn")

    def __init__(self, seam: AbstractContextManager[object] = _NOTHING) -> None:
        """`seam` is entered with it, and left after it."""
        self._seam = seam

    def __enter__(self) -> None:
        self._seam.__enter__()
        self._turn = TURN.get()
        if self._turn is not None:
            self._turn.step_aside()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._turn is not None:
            self._turn.step_back()
        self._seam.__exit__(kind, error, trace)


class ClockAside:
    """The `Clock` of a call's work: to sleep is not to be worked on."""

    def __init__(self, clock: Clock) -> None:
        self.now: Callable[[], datetime] = clock.now
        self.monotonic: Callable[[], float] = clock.monotonic
        self._sleep = clock.sleep

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        with Aside():
            await self._sleep(seconds)
