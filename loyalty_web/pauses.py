import asyncio
from collections.abc import Coroutine


async def unless_asked(asked: asyncio.Event, pause: Coroutine[None, None, None]) -> None:
    """Until the pause is over, or the end has come."""
    tasks = {asyncio.ensure_future(pause), asyncio.ensure_future(asked.wait())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
