import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from loyalty_adapters.redis.counted_ahead import CountedAhead
from loyalty_adapters.redis.shared_connection import MOST_WAITING, Command, SharedConnection, TooManyAsk
from loyalty_core.ports.allowances import Allowance, AllowancesAway, Grant

_PREFIX: Final = "loyalty:allowance:1:"
_SHORTEST_PAUSE: Final = 0.05  # seconds to the first try of a Redis that has failed; doubles
_LONGEST_PAUSE: Final = 1.0
_MICROSECONDS: Final = 1_000_000
_FIELDS: Final = 4

# `draw` of the port, for several names at once, each with the number of calls that are asked for, and of those that are
# to be counted ahead: never more than a small part of what is free. The time is Redis's own: the clocks of the
# processes that ask may differ. A key lives for as long as it says anything.
_DRAW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for i, key in ipairs(KEYS) do
    local interval = tonumber(ARGV[4 * i - 3])
    local burst = tonumber(ARGV[4 * i - 2])
    local wanted = tonumber(ARGV[4 * i - 1])
    local ahead = tonumber(ARGV[4 * i])
    local window = burst * interval
    local whole_at = tonumber(redis.call('GET', key) or now)
    whole_at = math.min(math.max(whole_at, now), now + window)
    local free = math.floor((now + window - whole_at) / interval + 0.000001)
    ahead = math.min(ahead, math.max(math.floor((free - wanted) / 64), 0))
    local granted = math.min(math.max(free, 0), wanted + ahead)
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

    At most one draw is on its way. Requests that come before it is written go with it, those for one name as one
    number; and while much is left, a draw counts calls ahead that are about to come. So a busy client's call hardly
    costs a command, and is still counted exactly. A Redis that fails, or takes longer than a quarter of a second, is
    away for all until it has answered again. That is tried at once and then once a second, in the background: only
    calls that meet its end wait for it.
    """

    def __init__(
        self,
        connection: SharedConnection,
        *,
        around: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`around` is had around each wait for Redis; `on_change` is told whether Redis is there."""
        self._connection = connection
        self._around = around
        self._on_change = on_change
        self._waiting: list[_Asked] = []
        self._ahead = CountedAhead()
        self._away = False
        self._trying = False
        self._try_at = 0.0
        self._pause = _SHORTEST_PAUSE

    @property
    def is_away(self) -> bool:
        """Whether it has failed and not answered since."""
        return self._away

    async def take(self, name: str, allowance: Allowance) -> Grant:
        """See `Allowances.take`."""
        counted = self._ahead.take(name, allowance, time.monotonic())
        if counted is not None:
            return counted
        if self._away:
            self.look_again()
            raise AllowancesAway
        asked = _Asked(name, allowance, asyncio.get_running_loop().create_future())
        if len(self._waiting) >= MOST_WAITING or not (self._waiting or self.put(_Draw(self))):
            raise AllowancesAway
        self._waiting.append(asked)
        with self._around("EVALSHA"):
            return await asked.answer

    def look_again(self) -> None:
        """Where it is away, and a pause is over, try in the background whether it is back."""
        now = time.monotonic()
        if self._away and not self._trying and now >= self._try_at:
            self._try_at, self._pause = now + self._pause, min(2 * self._pause, _LONGEST_PAUSE)
            self._trying = self.put(_Draw(self))

    # -- what draws tell

    def next_ones(self) -> list[_Asked]:
        """Those whom the draw that is being written is for; the next request asks for another."""
        asked, self._waiting = self._waiting, []
        return asked

    def count_ahead(self, name: str) -> int:
        """How many calls of `name` to count that nobody has asked for yet."""
        return self._ahead.wanted(name, time.monotonic())

    def has_answered(self) -> None:
        """Redis is there."""
        if self._trying:
            self._trying = False
            self._set_away(away=False)

    def has_granted(self, alike: Sequence[_Asked], granted: int, remaining: int, wait: int, whole_after: int) -> None:
        """So many calls to those who have asked for the same; what is left of them is for those to come."""
        name, allowance, _ = alike[0]
        ahead, whole = max(0, granted - len(alike)), whole_after / _MICROSECONDS
        self._ahead.put(name, allowance, ahead, time.monotonic(), remaining, whole)
        for position, one in enumerate(alike):
            if not one.answer.done():
                # Those that came first are granted; each is told what was left when its own turn was over.
                left = remaining + max(0, granted - position - 1)
                one.answer.set_result(Grant(position < granted, left, 0.0 if left else wait / _MICROSECONDS, whole))

    def has_failed(self, asked: Sequence[_Asked]) -> None:
        """It is not."""
        trying, self._trying = self._trying, False
        if not trying:
            self._set_away(away=True)
        _refuse([*asked, *self.next_ones()])

    def put(self, draw: "_Draw") -> bool:
        """Have it written soon; False where too many wait for that."""
        try:
            self._connection.put(draw)
        except TooManyAsk:
            return False
        return True

    def _set_away(self, *, away: bool) -> None:
        self._away = away
        self._pause = _SHORTEST_PAUSE
        self._try_at = time.monotonic() + self._pause
        self._on_change(not away)


class _Draw:
    """One run of the script, for all who have asked until it is written; for nobody, to see whether Redis is there."""

    __slots__ = ("_allowances", "_asked", "_by_name", "_script")

    def __init__(self, allowances: RedisAllowances) -> None:
        self._allowances = allowances
        self._asked: list[_Asked] = []
        self._by_name: dict[str, list[_Asked]] = {}
        self._script: Command = ("EVALSHA", _SHA)

    def command(self) -> Command:
        self._asked += self._allowances.next_ones()
        by_name = self._by_name = dict[str, list[_Asked]]()
        for one in self._asked:
            by_name.setdefault(one.name, []).append(one)
        numbers: list[float] = []
        for name, alike in by_name.items():
            allowance, ahead = alike[0].allowance, self._allowances.count_ahead(name)
            numbers += (allowance.interval * _MICROSECONDS, allowance.burst, len(alike), ahead)
        return (*self._script, len(by_name), *(_PREFIX + name for name in by_name), *numbers)

    def answered(self, reply: Any) -> None:
        if isinstance(reply, NoScriptError):  # Redis has been started anew: this is how it learns it
            self._script = ("EVAL", _DRAW)
            if self._allowances.put(self):
                return
        if isinstance(reply, ResponseError):
            self.failed()
            return
        self._allowances.has_answered()
        for number, alike in enumerate(self._by_name.values()):
            self._allowances.has_granted(alike, *reply[_FIELDS * number : _FIELDS * (number + 1)])

    def failed(self) -> None:
        self._allowances.has_failed(self._asked)


def _refuse(asked: Sequence[_Asked]) -> None:
    for one in asked:
        if not one.answer.done():
            one.answer.set_exception(AllowancesAway())
