"""One connection to Redis for all that a process asks of it, however many calls ask at once."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from typing import Any, Final, Protocol, TypeAlias

import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from loyalty_adapters.redis.patience import Patience

PATIENCE: Final = 0.25
"""Seconds for the commands of one write, the connection included."""
MOST_WAITING: Final = 1024
"""Questions that wait for the write after this one; bounds what a slow Redis can pile up."""

Command: TypeAlias = Sequence[str | bytes | int | float]

_log = structlog.get_logger(context="SharedConnection")


class RedisAway(Exception):
    """Redis cannot be reached, has hung up, or takes too long. What was asked may have been done."""


class TooManyAsk(Exception):
    """As many wait for Redis as may; nothing was asked. It says nothing about Redis."""


class Question(Protocol):
    """What somebody wants to know. None of its methods may raise or take long."""

    def command(self) -> Command:
        """The command, and its parameters, asked for at the moment at which it is written."""
        ...

    def answered(self, reply: Any) -> None:
        """What Redis has said; a `ResponseError` where it refused."""
        ...

    def failed(self) -> None:
        """It is away."""
        ...


class SharedConnection:
    """Asks in the order in which it was asked, one write at a time.

    Questions that come while one is under way go together in the next, so a busy process pays for a fraction of a
    write and a read for each; and it speaks to the library's connection itself, for the client and the pool around it
    cost more than the command. A connection that Redis has closed while it was idle is replaced without a word.
    """

    def __init__(self, url: str) -> None:
        """Connects on first use."""
        self._connections = ConnectionPool.from_url(
            url, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0), protocol=2
        )
        self._connection: AbstractConnection | None = None
        self._waiting: list[Question] = []
        self._at_work: asyncio.Task[None] | None = None

    async def ping(self) -> None:
        """Return once Redis has answered.

        Raises:
            RedisAway, TooManyAsk, ResponseError: as `ask`.
        """
        await self.ask("PING")

    async def close(self) -> None:
        """Let go of the connection; whoever still waits is told that Redis is away."""
        at_work, self._at_work = self._at_work, None
        if at_work is not None:
            at_work.cancel()
            await asyncio.wait([at_work])
        self._fail_waiting()  # a task that had not begun has told nobody
        await self._hang_up()

    def put(self, question: Question) -> None:
        """Ask it, soon.

        Raises:
            TooManyAsk: see there.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise TooManyAsk
        self._waiting.append(question)
        if self._at_work is None:
            # A task of its own, and nobody's: a caller that is cancelled takes nobody's answer with it.
            self._at_work = asyncio.create_task(self._work(), name="redis", context=Context())

    async def ask(self, *command: str | bytes | float, within: float = PATIENCE) -> Any:
        """What Redis says to one command, within so many seconds.

        Raises:
            RedisAway, TooManyAsk: see there.
            ResponseError: it refused.
        """
        question = _Single(command)
        self.put(question)
        patience = Patience(within, question.failed)
        try:
            return await question.answer
        finally:
            patience.end()

    async def _work(self) -> None:
        try:
            while self._waiting:
                questions, self._waiting = self._waiting, []
                await self._converse(questions)
        finally:
            self._at_work = None
            self._fail_waiting()

    async def _converse(self, questions: Sequence[Question]) -> None:
        try:
            async with asyncio.timeout(None) as limit:
                patience = Patience(PATIENCE, lambda: limit.reschedule(0))
                try:
                    replies = await self._say([question.command() for question in questions])
                finally:
                    patience.end()
        except (RedisError, OSError, TimeoutError):
            await self._hang_up()  # or a reply that is still to come would be taken for the next question's
            _fail(questions)
        except BaseException:
            await self._hang_up()
            _fail(questions)
            raise
        else:
            for question, reply in zip(questions, replies, strict=True):
                _tell(question, reply)

    async def _say(self, commands: Sequence[Command]) -> list[Any]:
        if self._connection is not None:
            try:
                return await _exchanged(self._connection, commands)
            except (RedisConnectionError, OSError):  # it had been idle, and Redis has closed it meanwhile
                await self._hang_up()
        connection: AbstractConnection = self._connections.make_connection()  # type: ignore[no-untyped-call]  # theirs
        self._connection = connection
        await connection.connect()  # type: ignore[no-untyped-call]  # as above
        return await _exchanged(connection, commands)

    def _fail_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        _fail(waiting)

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


class _Single:
    """One command of one caller."""

    __slots__ = ("_command", "answer")

    def __init__(self, command: Command) -> None:
        self._command = command
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def command(self) -> Command:
        return self._command

    def answered(self, reply: Any) -> None:
        if not self.answer.done():
            if isinstance(reply, ResponseError):
                self.answer.set_exception(reply)
            else:
                self.answer.set_result(reply)

    def failed(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(RedisAway())


async def _exchanged(connection: AbstractConnection, commands: Sequence[Command]) -> list[Any]:
    await connection.send_packed_command(connection.pack_commands(commands))
    return [await _reply(connection) for _ in commands]


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal


def _tell(question: Question, reply: Any) -> None:
    try:
        question.answered(reply)
    except Exception as error:  # noqa: BLE001 - a fault of one must not leave it, or the others, waiting for ever
        _log.error("What Redis said was not understood", error=type(error).__name__)
        question.failed()


def _fail(questions: Sequence[Question]) -> None:
    for question in questions:
        question.failed()
