"""All use cases over one set of ports: what a service that embeds the core, or a test harness, puts together once."""

from datetime import timedelta

import msgspec

from loyalty_core.ports.answer_cache import AnswerCache
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.delivery_queue import DeliveryQueue
from loyalty_core.ports.identifier_source import IdentifierSource
from loyalty_core.ports.loyalty_host import LoyaltyHost
from loyalty_core.ports.observer import Observer
from loyalty_core.ports.program_archive import ProgramArchive
from loyalty_core.ports.program_source import ProgramSource
from loyalty_core.ports.session_store import SessionStore
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.calculate_rewards import CalculateRewards
from loyalty_core.use_cases.cancel_session import CancelSession
from loyalty_core.use_cases.deliver_pending import DeliverPending
from loyalty_core.use_cases.delivery_pace import DeliveryPace, PacePolicy
from loyalty_core.use_cases.finalize_session import FinalizeSession
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.get_session_status import GetSessionStatus
from loyalty_core.use_cases.identify_customer import IdentifyCustomer
from loyalty_core.use_cases.operate_delivery import OperateDelivery
from loyalty_core.use_cases.pricing import Authority, Pricing
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.return_purchase import ReturnPurchase
from loyalty_core.use_cases.settlement import Settlement, SettlementPolicy


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What the core needs of the world."""

    store: SessionStore
    queue: DeliveryQueue
    host: LoyaltyHost
    cache: AnswerCache
    clock: Clock
    identifiers: IdentifierSource
    observer: Observer
    programs: ProgramSource
    archive: ProgramArchive


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may decide about the core."""

    authority: Authority = Authority.HOST
    budgets: Budgets = msgspec.field(default_factory=Budgets)
    settlement: SettlementPolicy = msgspec.field(default_factory=SettlementPolicy)
    pace: PacePolicy = msgspec.field(default_factory=PacePolicy)
    session_ttl: timedelta = timedelta(hours=24)


class Loyalty:
    """The use cases of one process; each is called with its command: ``await loyalty.identify(Identify(...))``."""

    def __init__(self, ports: Ports, policy: Policy | None = None) -> None:
        policy = policy or Policy()
        store, host, cache, clock = ports.store, ports.host, ports.cache, ports.clock
        identifiers, observer, budgets = ports.identifiers, ports.observer, policy.budgets
        pricing = Pricing(ports.programs, identifiers, policy.authority)
        programs = SaleProgram(ports.programs, ports.archive)
        settlement = Settlement(
            store=store,
            host=host,
            cache=cache,
            clock=clock,
            identifiers=identifiers,
            observer=observer,
            pricing=pricing,
            budgets=budgets,
            policy=policy.settlement,
        )
        self.flights = Flights()
        """The calls under way. Drain them before the ports are closed."""
        self.identify = IdentifyCustomer(
            store=store,
            host=host,
            clock=clock,
            identifiers=identifiers,
            observer=observer,
            flights=self.flights,
            budgets=budgets,
            session_ttl=policy.session_ttl,
        )
        self.calculate = CalculateRewards(
            store=store,
            host=host,
            clock=clock,
            identifiers=identifiers,
            observer=observer,
            flights=self.flights,
            pricing=pricing,
            budgets=budgets,
        )
        self.finalize = FinalizeSession(
            store=store,
            host=host,
            cache=cache,
            clock=clock,
            identifiers=identifiers,
            observer=observer,
            flights=self.flights,
            pricing=pricing,
            settlement=settlement,
            budgets=budgets,
        )
        self.give_back = ReturnPurchase(
            store=store,
            host=host,
            cache=cache,
            clock=clock,
            identifiers=identifiers,
            observer=observer,
            flights=self.flights,
            programs=programs,
            settlement=settlement,
            budgets=budgets,
        )
        self.cancel = CancelSession(store=store, clock=clock, identifiers=identifiers, observer=observer)
        self.status = GetSessionStatus(
            store=store, host=host, clock=clock, pricing=pricing, settlement=settlement, budgets=budgets
        )
        self.deliver = DeliverPending(
            queue=ports.queue,
            host=host,
            settlement=settlement,
            programs=programs,
            clock=clock,
            observer=observer,
            budgets=budgets,
            pace=DeliveryPace(policy.pace),
        )
        self.decide = OperateDelivery(store=store, clock=clock, identifiers=identifiers, observer=observer)
