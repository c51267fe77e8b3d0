"""The whole core in memory: what another service tests against, without a server of any kind."""

from collections.abc import Iterable

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.memory.delivery_queue import MemoryDeliveryQueue
from loyalty_adapters.memory.host import MemoryHost
from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_adapters.memory.programs import FixedProgram, MemoryProgramArchive
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.ports.observer import NullObserver
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.loyalty import Loyalty, Policy


class MemoryLoyalty(Loyalty):
    """All use cases over memory: a host that knows `members`, a clock that stands still until it is moved.

    `host`, `clock` and `sessions` are there to arrange and to look.
    """

    def __init__(
        self, members: Iterable[Member], *, program: RewardProgram | None = None, policy: Policy | None = None
    ) -> None:
        program = program or built_in_program()
        self.clock = ManualClock()
        self.host = MemoryHost(self.clock, members, program)
        self.sessions = MemorySessions(self.clock)
        super().__init__(
            Ports(
                store=self.sessions,
                queue=MemoryDeliveryQueue(self.sessions),
                host=self.host,
                cache=MemoryAnswerCache(self.clock),
                clock=self.clock,
                identifiers=MemoryIdentifierSource(self.clock),
                observer=NullObserver(),
                programs=FixedProgram(program),
                archive=MemoryProgramArchive(),
            ),
            policy,
        )
