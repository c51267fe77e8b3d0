import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from loyalty_core.ports.allowances import Allowance, AllowancesAway, Grant

_PREFIX: Final = "loyalty:allowance:1:"
_PATIENCE: Final = 0.25  # seconds for one command, its connection included
_LATE: Final = 0.02  # seconds that our own event loop may be late before Redis is given one more look
_SHORTEST_PAUSE: Final = 0.05  # seconds to the first try of a Redis that has failed; doubles
_LONGEST_PAUSE: Final = 1.0
_MICROSECONDS: Final = 1_000_000
_FIELDS: Final = 4

# `draw` of the port, for several names at once, each with the number of calls that are asked for. The time is Redis's
# own: the clocks of the processes that ask may differ. A key lives for as long as it says anything.
_DRAW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for i, key in ipairs(KEYS) do
    local interval = tonumber(ARGV[3 * i - 2])
    local burst = tonumber(ARGV[3 * i - 1])
    local wanted = tonumber(ARGV[3 * i])
    local window = burst * interval
    local whole_at = tonumber(redis.call('GET', key) or now)
    whole_at = math.min(math.max(whole_at, now), now + window)
    local free = math.floor((now + window - whole_at) / interval + 0.000001)
    local granted = math.min(math.max(free, 0), wanted)
    if granted > 0 then
        whole_at = whole_at + granted * interval
        redis.call('SET', key, string.format('%.0f', whole_at), 'PX', math.ceil((whole_at - now) / 1000))
    end
    local wait = 0
    if free <= granted then wait = whole_at + interval - window - now end
    answer[4 * i - 3] = granted
    answer[4 * i - 2] = free - granted
    answer[4 * i - 1] = math.ceil(wait)
    answer[4 * i] = math.ceil(whole_at - now)
end
return answer
"""
_SHA: Final = hashlib.sha1(_DRAW.encode(), usedforsecurity=False).hexdigest()
"""The script's name at Redis."""


class _Asked(NamedTuple):
    name: str
    allowance: Allowance
    answer: "asyncio.Future[Grant]"


class RedisAllowances:
    """`Allowances` that any number of processes share, on Redis or Valkey.

    At most one command is under way. Requests that come meanwhile go together in the next one, those for one name as
    one number: under load a call costs a fraction of a command, and is still counted exactly. A Redis that fails, or
    takes longer than a quarter of a second, is away for all until it has answered again. That is tried at once and
    then once a second, in the background: only calls that meet its end wait for it.
    """

    def __init__(
        self,
        url: str,
        *,
        around: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Connects on first use. `around` is had around each command; `on_change` is told whether Redis is there."""
        # One connection, spoken to without the client and its pool, which cost more than the command itself.
        self._connections = ConnectionPool.from_url(
            url, socket_connect_timeout=_PATIENCE, retry=Retry(NoBackoff(), 0), protocol=2
        )
        self._connection: AbstractConnection | None = None
        self._around = around
        self._on_change = on_change
        self._waiting: list[_Asked] = []
        self._under_way: asyncio.Task[None] | None = None
        self._trial: asyncio.Task[None] | None = None
        self._away = False
        self._try_at = 0.0
        self._pause = _SHORTEST_PAUSE

    @property
    def is_away(self) -> bool:
        """Whether it has failed and not answered since."""
        return self._away

    async def close(self) -> None:
        """Let go of the connections; whoever still waits is told that Redis is away."""
        self._away = True
        for task in (self._under_way, self._trial):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._refuse(self._waiting)
        await self._hang_up()

    async def take(self, name: str, allowance: Allowance) -> Grant:
        """See `Allowances.take`."""
        if self._away:
            self.look_again()
            raise AllowancesAway
        answer: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(name, allowance, answer))
        if self._under_way is None:
            # A task of its own: a caller that is cancelled takes nobody's answer with it.
            self._under_way = asyncio.create_task(self._ask_for_all(), name="allowances")
        return await answer

    def look_again(self) -> None:
        """Where it is away, and a pause is over, try in the background whether it is back."""
        now = time.monotonic()
        if self._away and self._trial is None and now >= self._try_at:
            self._try_at, self._pause = now + self._pause, min(2 * self._pause, _LONGEST_PAUSE)
            self._trial = asyncio.create_task(self._try(), name="allowances again")

    async def _ask_for_all(self) -> None:
        try:
            while self._waiting and not self._away:
                asked, self._waiting = self._waiting, []
                await self._ask(asked)
        finally:
            self._under_way = None
            self._refuse(self._waiting)

    async def _ask(self, asked: Sequence[_Asked]) -> None:
        by_name: dict[str, list[_Asked]] = {}
        for one in asked:
            by_name.setdefault(one.name, []).append(one)
        try:
            answer = await self._command(by_name)
        except (RedisError, OSError, TimeoutError):
            self._set_away(away=True)
            self._refuse(asked)
            return
        except BaseException:
            self._refuse(asked)
            raise
        for number, alike in enumerate(by_name.values()):
            granted, remaining, wait, whole_after = answer[_FIELDS * number : _FIELDS * (number + 1)]
            for position, one in enumerate(alike):
                if not one.answer.done():
                    # Those that came first are granted; each is told what was left when its own turn was over.
                    left = remaining + max(0, granted - position - 1)
                    pause = 0.0 if left else wait / _MICROSECONDS
                    one.answer.set_result(Grant(position < granted, left, pause, whole_after / _MICROSECONDS))

    async def _command(self, by_name: dict[str, list[_Asked]]) -> list[int]:
        arguments: list[float] = []
        for alike in by_name.values():
            allowance = alike[0].allowance
            arguments += (allowance.interval * _MICROSECONDS, allowance.burst, len(alike))
        with self._around("EVALSHA"):
            return await self._draw(len(by_name), *(_PREFIX + name for name in by_name), *arguments)

    async def _draw(self, *parameters: str | float) -> list[int]:
        """What the script answers; the connection is as good as new afterwards, or gone."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(None) as limit:
            end = loop.call_at(loop.time() + _PATIENCE, _give_up, limit, loop.time() + _PATIENCE)
            try:
                return await self._exchange(parameters)
            except ResponseError:
                raise
            except BaseException:
                await self._hang_up()  # or the answer that is still to come would be taken for the next one's
                raise
            finally:
                end.cancel()

    async def _exchange(self, parameters: Sequence[str | float]) -> list[int]:
        if self._connection is not None:
            try:
                return await self._say(self._connection, parameters)
            except (RedisConnectionError, OSError):  # it had been idle, and Redis has closed it meanwhile
                await self._hang_up()
        connection: AbstractConnection = self._connections.make_connection()  # type: ignore[no-untyped-call]  # theirs
        self._connection = connection
        await connection.connect()  # type: ignore[no-untyped-call]  # as above
        return await self._say(connection, parameters)

    @staticmethod
    async def _say(connection: AbstractConnection, parameters: Sequence[str | float]) -> list[int]:
        try:
            await connection.send_command("EVALSHA", _SHA, *parameters)
            answer: list[int] = await connection.read_response()
        except NoScriptError:  # Redis has been started anew: this is how it learns it
            await connection.send_command("EVAL", _DRAW, *parameters)
            answer = await connection.read_response()
        return answer

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _try(self) -> None:
        try:
            await self._draw(0)
        except (RedisError, OSError, TimeoutError):
            return
        else:
            self._set_away(away=False)
        finally:
            self._trial = None

    def _set_away(self, *, away: bool) -> None:
        self._away = away
        self._pause = _SHORTEST_PAUSE
        self._try_at = time.monotonic() + self._pause
        self._on_change(not away)

    @staticmethod
    def _refuse(asked: Sequence[_Asked]) -> None:
        for one in asked:
            if not one.answer.done():
                one.answer.set_exception(AllowancesAway())


def _give_up(limit: asyncio.Timeout, due: float) -> None:
    """End what has taken long enough.

    Where the loop itself was held up, timers come before what has been received meanwhile: then there is one more look,
    for it is not Redis that was slow.
    """
    now = asyncio.get_running_loop().time()
    limit.reschedule(now + _LATE if now - due > _LATE else now)
