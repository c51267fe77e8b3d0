"""The sales that the matrix tries its calls on: prepared in health, disturbed at one call, looked at ever after."""

import itertools
from dataclasses import dataclass
from typing import Final

from tests.faults.books import SessionRow, read_sessions
from tests.faults.ledger_check import LedgerDisagreement, Observation, Sale
from tests.faults.matrix import Call
from tests.faults.stack import Stack, until
from tests.faults.till import CHANNEL, Heard, Till

_AMOUNT: Final = 150.0
_HEALING: Final = 90.0
_numbers: Final = itertools.count(1)


class Subject:
    """One sale, taken as far as the call under test needs it, and what its POS has heard."""

    def __init__(self, stack: Stack, till: Till, replica: int) -> None:
        number = next(_numbers)
        self.transaction = f"CELL-{number}"
        self.customer = f"LOAD-{number}"
        self.replica = replica
        self.session = ""
        self.heard: list[Heard] = []
        self._stack = stack
        self._till = till

    async def prepare(self, call: Call) -> None:
        """All that comes before `call`, with PDI well."""
        if call is Call.IDENTIFY:
            return
        await self.make(Call.IDENTIFY)
        if call is Call.CALCULATE:
            return
        await self.make(Call.CALCULATE)
        if call is Call.STATUS:
            # What there is to ask about: a finalize that was booked, and whose answer was lost.
            await self._stack.pdi.faults("drop_after_commit", endpoints=["finalize"], times=1)
            assert 202 == (await self.make(Call.FINALIZE)).status
            assert 1 == await self._stack.pdi.fired("drop_after_commit")
            await self._stack.pdi.put_faults([])
        if call is Call.RETURN:
            assert 200 == (await self.make(Call.FINALIZE)).status

    async def make(self, call: Call) -> Heard:
        """The call, and nothing else."""
        heard = await self._made(call)
        self.heard.append(heard)
        if call is Call.IDENTIFY and heard.status == 201:
            self.session = heard.json["sessionId"]
        return heard

    async def row(self) -> SessionRow | None:
        """The session as stored; None where there is none."""
        rows = await read_sessions(self._stack.database_url, [self.transaction])
        assert len(rows) < 2
        return rows[0] if rows else None

    async def accruals(self) -> int:
        """What PDI has booked of it."""
        entries = await self._stack.pdi.ledger(transactionId=self.transaction)
        return sum(entry["kind"] == "accrual" for entry in entries)

    def observations(self) -> list[Observation]:
        """What its POS can hold us to."""
        sale = Sale(CHANNEL, self.transaction)
        return [
            Observation(sale, heard.call, heard.status, heard.code, heard.json if heard.body else None)
            for heard in self.heard
        ]

    async def _made(self, call: Call) -> Heard:
        till, at = self._till, self.replica
        match call:
            case Call.IDENTIFY:
                return await till.identify(self.transaction, self.customer, at=at)
            case Call.CALCULATE:
                return await till.calculate(self.session, _AMOUNT, at=at)
            case Call.FINALIZE:
                return await till.finalize(self.session, self.transaction, _AMOUNT, at=at)
            case Call.STATUS:
                return await till.status(self.session, at=at)
            case Call.RETURN:
                return await till.give_back(self.session, "RETURN-1", at=at)
            case Call.CANCEL:
                return await till.cancel(self.session, at=at)


@dataclass
class Evidence:
    """What one call under one fault came to."""

    heard: Heard
    happened: bool
    state: str | None = None
    accruals: int = 0
    state_later: str | None = None
    accruals_later: int = 0
    sold: Heard | None = None
    """The answer of the call that went on where the fault had left off; None where there was nothing to go on with."""
    disagreement: LedgerDisagreement | None = None
    """What the ledger check has found in the end."""


async def in_touch(till: Till, replica: int) -> bool:
    """Whether a replica gets PDI's own answers: its circuits are closed, its token is good."""
    heard = await till.identify(f"PROBE-{next(_numbers)}", "LOAD-0", at=replica)
    return heard.status == 201 and heard.json["provisional"] is False


async def replica_in_touch(stack: Stack, till: Till) -> int:
    """A replica that is in touch with PDI; one that was cut off gets there by itself."""
    chosen = 0

    async def found() -> bool:
        nonlocal chosen
        for chosen in range(len(stack.replicas)):
            if await in_touch(till, chosen):
                return True
        return False

    await until(found, "a replica is in touch with PDI", _HEALING)
    return chosen


async def every_replica_in_touch(stack: Stack, till: Till) -> None:
    """Return once all are in touch with PDI; one whose credentials were refused asks again after a pause."""
    for replica in range(len(stack.replicas)):

        async def found(chosen: int = replica) -> bool:
            return await in_touch(till, chosen)

        await until(found, f"replica {replica} is in touch with PDI", _HEALING)
