"""Every `LoyaltyHost` keeps the promises of the port."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
from typing_extensions import override

from loyalty_adapters.memory.host import Course, HostCall, MemoryHost
from loyalty_adapters.pdi import CircuitSettings, PdiClient, PdiSettings
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.domain.identifiers import CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.ports.loyalty_host import HostNotJudged, HostRefusesUs, HostRejection, HostSilence
from tests.contracts.loyalty_host_contract import JOHN, LoyaltyHostContract, Stage, Trouble
from tests.pdi import Pdi


class PdiStage(Stage):
    """The PDI client, over the simulator."""

    def __init__(self, host: PdiClient, pdi: Pdi) -> None:
        self.host = host
        self._pdi = pdi

    @override
    async def bring(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.AWAY:
                # The client is at liberty to use the token it has, so that one has to go as well.
                await self._pdi.revoke_tokens()
                await self._pdi.faults("token_down")
            case Trouble.BUSY:
                await self._pdi.faults("rate_limited", retryAfterSeconds=7)
            case Trouble.DISTRUST:
                await self._pdi.faults("unauthorized")
            case Trouble.FAILING:
                await self._pdi.faults("http_500")
            case Trouble.CUT_AFTER_COMMIT:
                await self._pdi.faults("drop_after_commit")
            case Trouble.HANGING:
                await self._pdi.faults("timeout")
            case Trouble.REFUSING:
                await self._pdi.faults("reject")

    @override
    async def heal(self) -> None:
        await self._pdi.faults()

    @override
    async def lose_sessions(self) -> None:
        await self._pdi.drop_sessions("forget")


class TestPdiClient(LoyaltyHostContract):
    """PDI over HTTP."""

    @pytest.fixture
    async def stage(self, pdi: Pdi) -> AsyncIterator[Stage]:
        # The circuit has suites of its own; here it would turn each trouble, five calls on, into another.
        patient = CircuitSettings(failures_in_a_row=1000, window_calls=1000)
        settings = PdiSettings(
            base_url=pdi.url,
            client_id=pdi.client_id,
            client_secret=pdi.client_secret,
            circuit=patient,
            token_circuit=patient,
        )
        async with PdiClient(settings, SystemClock()) as host:
            yield PdiStage(host, pdi)
        await pdi.faults()


_COURSES: Final = {
    Trouble.BUSY: Course(error=HostNotJudged("rate_limited", retry_after=7)),
    Trouble.DISTRUST: Course(error=HostRefusesUs("fresh_token_refused")),
    Trouble.FAILING: Course(error=HostSilence("http_500")),
    Trouble.CUT_AFTER_COMMIT: Course(error=HostSilence("connection_lost"), acts=True),
    Trouble.HANGING: Course(takes=3600),
    Trouble.REFUSING: Course(error=HostRejection("transaction_rejected")),
}


class MemoryStage(Stage):
    """The host in memory, by the machine's clock."""

    def __init__(self) -> None:
        john = Member(customer_id=JOHN, tier="Gold", name="John Doe", points=5000)
        bronze = Member(customer_id=CustomerId("CUST-BRONZE"), tier="Bronze", name="Berta Braun", points=1200)
        self._memory = MemoryHost(SystemClock(), [john, bronze])
        self.host = self._memory

    @override
    async def bring(self, trouble: Trouble) -> None:
        if trouble is Trouble.AWAY:
            self._memory.closed_for = 10
            return
        for call in HostCall:
            self._memory.plan(call, *[_COURSES[trouble]] * 10)

    @override
    async def heal(self) -> None:
        self._memory.closed_for = 0
        for planned in self._memory._courses.values():
            planned.clear()

    @override
    async def lose_sessions(self) -> None:
        self._memory.lose_sessions()


class TestMemoryHost(LoyaltyHostContract):
    """The host in memory."""

    @pytest.fixture
    def stage(self) -> Stage:
        return MemoryStage()
