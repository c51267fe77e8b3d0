"""A process that makes one run of reconciliation, and says whom it asks about; to be killed at any moment.

Arguments: database address, PDI's address, client id, client secret, the run's time, the size of a batch.
"""

import asyncio
import sys
from datetime import datetime

from typing_extensions import override

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.programs import FixedProgram, MemoryProgramArchive
from loyalty_adapters.pdi import PdiClient, PdiSettings
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.delivery_queue import PostgresDeliveryQueue
from loyalty_adapters.postgres.identifiers import PostgresIdentifierSource
from loyalty_adapters.postgres.reconciliation import PostgresReconciliation
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.domain.program import built_in_program
from loyalty_core.ports.loyalty_host import HostSessionReport
from loyalty_core.ports.observer import NullObserver
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.enquiries import EnquiryPolicy
from loyalty_core.use_cases.loyalty import Loyalty, Policy


class TellingClient(PdiClient):
    """Writes down each session that PDI has answered for."""

    @override
    async def report(self, session: HostSessionId, *, within: float) -> HostSessionReport:
        report = await super().report(session, within=within)
        print(session, flush=True)  # noqa: T201 - for the test that reads it
        return report


async def _run(database: str, pdi: str, client: str, secret: str, now: str, batch: str) -> None:
    clock, addresses = SystemClock(), RowAddresses()
    settings = PdiSettings(base_url=pdi, client_id=client, client_secret=secret)
    async with (
        Connections(PostgresSettings(url=database)) as connections,
        TellingClient(settings, clock) as host,
    ):
        ports = Ports(
            store=PostgresSessions(connections, addresses),
            queue=PostgresDeliveryQueue(connections, addresses),
            host=host,
            cache=MemoryAnswerCache(clock),
            clock=clock,
            identifiers=PostgresIdentifierSource(connections),
            observer=NullObserver(),
            programs=FixedProgram(built_in_program()),
            archive=MemoryProgramArchive(),
        )
        loyalty = Loyalty(ports, Policy(enquiries=EnquiryPolicy(in_flight=4)))
        job = loyalty.reconciling(PostgresReconciliation(connections, addresses))
        while not (await job(datetime.fromisoformat(now), int(batch))).done:
            pass


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
