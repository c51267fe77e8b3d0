"""Every `LoyaltyHost` keeps the promises of the port."""

from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from loyalty_adapters.pdi import PdiClient, PdiSettings
from loyalty_adapters.system_clock import SystemClock
from tests.contracts.loyalty_host import LoyaltyHostContract, Stage, Trouble
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
        settings = PdiSettings(base_url=pdi.url, client_id=pdi.client_id, client_secret=pdi.client_secret)
        async with PdiClient(settings, SystemClock()) as host:
            yield PdiStage(host, pdi)
        await pdi.faults()
