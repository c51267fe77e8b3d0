import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

ResultT = TypeVar("ResultT")


class UnderWay(Generic[ResultT]):
    """Tasks that go on beside one another, begun one after the other, and awaited together in the end."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[ResultT]] = []
        self._left = 0
        self._few = 0
        self._are_few = asyncio.Event()

    def __len__(self) -> int:
        """How many have not ended."""
        return self._left

    def begin(self, work: Coroutine[Any, Any, ResultT]) -> None:
        """One more."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        self._left += 1
        task.add_done_callback(self._ended)

    async def are_at_most(self, few: int) -> None:
        """Return once no more than `few` have not ended."""
        self._few = few
        self._are_few.clear()
        self._look()
        await self._are_few.wait()

    def ended(self) -> list[ResultT]:
        """What those that have ended have come to; raises what one of them has raised."""
        return [task.result() for task in self._tasks if task.done()]

    def cancel(self) -> None:
        """Nobody is going to await them."""
        for task in self._tasks:
            task.cancel()

    async def all(self) -> list[ResultT]:
        """What all have come to, in the order of their beginnings; raises what one of them has raised."""
        return await asyncio.gather(*self._tasks)

    def _ended(self, _: asyncio.Task[ResultT]) -> None:
        self._left -= 1
        self._look()

    def _look(self) -> None:
        if self._left <= self._few:
            self._are_few.set()
