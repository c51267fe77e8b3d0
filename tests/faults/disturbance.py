"""Makes PDI misbehave in every way of the matrix, proves that it did, and makes it well again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.matrix import Fault, Means
from tests.pdi import Pdi

_EVERY_CALL = ("identify", "calculateRewards", "finalize", "getSessionStatus", "return")


class Disturbance:
    """A fault in force."""

    def __init__(self, pdi: Pdi, fault: Fault) -> None:
        self._pdi = pdi
        self._fault = fault
        self._fired_before: dict[str, int] = {}

    async def begin(self) -> None:
        """From here on PDI misbehaves, at every call."""
        fault = self._fault
        if fault.means in {Means.RULE, Means.TOKEN_RULE}:
            self._fired_before = await self._fired()
        if fault.means is Means.TOKEN_RULE:
            await self._pdi.revoke_tokens()
            await self._pdi.put_faults([fault.rule])
        elif fault.means is Means.RULE:
            await self._pdi.put_faults([{"endpoints": [call], **fault.rule} for call in self._endpoints()])
        elif fault.means is Means.KILLED:
            await self._pdi.kill()
        else:
            self._pdi.pause()

    async def happened(self, endpoint: str) -> bool:
        """Whether it was there to be met; for rules, whether a call of `endpoint` has met it."""
        if self._fault.means is Means.KILLED:
            return await _refuses(self._pdi.port)
        if self._fault.means is Means.STOPPED:
            return _state(self._pdi.pid) == "T"
        if self._fault.means is Means.TOKEN_RULE:
            endpoint = "token"
        return (await self._fired()).get(endpoint, 0) > self._fired_before.get(endpoint, 0)

    async def end(self) -> None:
        """PDI is well; what it still had to do, it has done."""
        if self._fault.means is Means.KILLED:
            await self._pdi.start()
        elif self._fault.means is Means.STOPPED:
            self._pdi.resume()
        else:
            await self._pdi.put_faults([])
        await self._pdi.until_at_work(0, seconds=60)

    async def _fired(self) -> dict[str, int]:
        """How often the mode has fired, by endpoint."""
        state = await self._pdi.control("GET", "/_sim/faults")
        counts: dict[str, int] = state["firedByEndpoint"].get(self._fault.rule["mode"], {})
        return counts

    def _endpoints(self) -> list[str]:
        if self._fault.needs_session:
            return [call for call in _EVERY_CALL if call != "identify"]
        return list(_EVERY_CALL)


@asynccontextmanager
async def disturbed(pdi: Pdi, fault: Fault) -> AsyncIterator[Disturbance]:
    """PDI misbehaves for as long as the block runs."""
    disturbance = Disturbance(pdi, fault)
    await disturbance.begin()
    try:
        yield disturbance
    finally:
        await disturbance.end()


async def _refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
