"""One connection for many questions: each gets its own reply, whatever becomes of the others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ResponseError

from loyalty_adapters.redis.shared_connection import MOST_WAITING, Command, RedisAway, SharedConnection, TooManyAsk
from tests.processes import soon


class Noted:
    """A question that keeps what becomes of it."""

    def __init__(self, *command: str | float, fault: Exception | None = None) -> None:
        self._command = command
        self._fault = fault
        self.heard: list[Any] = []

    def command(self) -> Command:
        return self._command

    def answered(self, reply: Any) -> None:
        if self._fault is not None:
            raise self._fault
        self.heard.append(reply)

    def failed(self) -> None:
        self.heard.append("failed")


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[SharedConnection]:
    connection = SharedConnection(redis_url)
    yield connection
    await connection.close()


async def test_each_gets_its_own_reply(connection: SharedConnection) -> None:
    """A hundred at once, in whatever writes they go."""
    await asyncio.gather(*(connection.ask("SET", f"key:{number}", number) for number in range(100)))
    heard = await asyncio.gather(*(connection.ask("GET", f"key:{number}") for number in range(100)))
    assert [str(number).encode() for number in range(100)] == heard


async def test_a_refusal_is_told_to_whom_it_was_meant_for(connection: SharedConnection) -> None:
    """Those in the same write are answered."""
    heard = await asyncio.gather(
        connection.ask("ECHO", "before"),
        connection.ask("GET"),
        connection.ask("ECHO", "behind"),
        return_exceptions=True,
    )
    assert (b"before", b"behind") == (heard[0], heard[2])
    assert isinstance(heard[1], ResponseError)


async def test_a_reply_that_is_not_understood_leaves_nobody_waiting(connection: SharedConnection) -> None:
    """Neither who could not make sense of it, nor those behind."""
    puzzled, behind = Noted("ECHO", "riddle", fault=ValueError()), Noted("ECHO", "behind")
    connection.put(puzzled)
    connection.put(behind)
    assert b"last" == await connection.ask("ECHO", "last")
    assert (["failed"], [b"behind"]) == (puzzled.heard, behind.heard)


async def test_only_so_many_wait(connection: SharedConnection) -> None:
    """One more is told at once, and those that wait are served."""
    waiting = [Noted("ECHO", number) for number in range(MOST_WAITING)]
    for question in waiting:
        connection.put(question)
    with pytest.raises(TooManyAsk):
        connection.put(Noted("PING"))
    await soon(lambda: bool(waiting[-1].heard), "all are answered")
    assert [[str(number).encode()] for number in range(MOST_WAITING)] == [question.heard for question in waiting]


async def test_whoever_has_no_patience_leaves_the_others_their_replies(connection: SharedConnection) -> None:
    """Its own reply, which comes all the same, is nobody's."""
    await connection.ping()
    slow = asyncio.create_task(connection.ask("EVAL", "for i = 1, 5000000 do end return 'slow'", 0, within=2.0))
    await asyncio.sleep(0)
    with pytest.raises(RedisAway):
        await connection.ask("ECHO", "late", within=0.001)
    assert b"slow" == await slow
    assert b"mine" == await connection.ask("ECHO", "mine")
