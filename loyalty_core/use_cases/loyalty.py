"""All use cases over one set of ports: what a service that embeds the core, or a test harness, puts together once."""

from datetime import timedelta

import msgspec

from loyalty_core.ports.reconciliation import Reconciliation
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.calculate_rewards import CalculateRewards
from loyalty_core.use_cases.cancel_session import CancelSession
from loyalty_core.use_cases.deliver_pending import DeliverPending
from loyalty_core.use_cases.delivery_pace import DeliveryPace, PacePolicy
from loyalty_core.use_cases.enquiries import EnquiryPolicy
from loyalty_core.use_cases.finalize_session import FinalizeSession
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.get_session_status import GetSessionStatus
from loyalty_core.use_cases.identify_customer import IdentifyCustomer
from loyalty_core.use_cases.operate_delivery import OperateDelivery
from loyalty_core.use_cases.patience import SettlementPolicy
from loyalty_core.use_cases.pricing import Authority, Pricing
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.reconcile_sessions import ReconcileSessions
from loyalty_core.use_cases.return_purchase import ReturnPurchase
from loyalty_core.use_cases.session_comparison import SessionComparison
from loyalty_core.use_cases.settlement import Settlement


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may decide about the core."""

    authority: Authority = Authority.HOST
    budgets: Budgets = msgspec.field(default_factory=Budgets)
    settlement: SettlementPolicy = msgspec.field(default_factory=SettlementPolicy)
    pace: PacePolicy = msgspec.field(default_factory=PacePolicy)
    enquiries: EnquiryPolicy = msgspec.field(default_factory=EnquiryPolicy)
    session_ttl: timedelta = timedelta(hours=24)


class Loyalty:
    """The use cases of one process; each is called with its command: ``await loyalty.identify(Identify(...))``."""

    def __init__(self, ports: Ports, policy: Policy | None = None, flights: Flights | None = None) -> None:
        policy = policy or Policy()
        budgets = policy.budgets
        pricing = Pricing(ports.programs, ports.identifiers, policy.authority)
        programs = SaleProgram(ports.programs, ports.archive)
        settlement = Settlement(ports, pricing, budgets, policy.settlement)
        self.flights = flights = flights or Flights()
        """The calls under way. Drain them before the ports are closed."""
        self.identify = IdentifyCustomer(ports, flights=flights, budgets=budgets, session_ttl=policy.session_ttl)
        self.calculate = CalculateRewards(ports, flights=flights, pricing=pricing, budgets=budgets)
        self.finalize = FinalizeSession(ports, flights=flights, pricing=pricing, settlement=settlement, budgets=budgets)
        self.give_back = ReturnPurchase(
            ports, flights=flights, programs=programs, settlement=settlement, budgets=budgets
        )
        self.cancel = CancelSession(ports)
        self.status = GetSessionStatus(ports, pricing=pricing, settlement=settlement, budgets=budgets)
        self.deliver = DeliverPending(
            ports, settlement=settlement, programs=programs, budgets=budgets, pace=DeliveryPace(policy.pace)
        )
        self.decide = OperateDelivery(ports)
        self._ports, self._policy = ports, policy
        self._comparison = SessionComparison(
            ports,
            settlement=settlement,
            programs=programs,
            budgets=budgets,
            overdue_after=policy.settlement.park_after,
            figure_is_ours=policy.authority is Authority.LOCAL,
        )

    def reconciling(self, work: Reconciliation) -> ReconcileSessions:
        """The job that compares sessions with the host's books; `work` is over the sessions of the same store."""
        return ReconcileSessions(
            self._ports,
            work,
            comparison=self._comparison,
            budgets=self._policy.budgets,
            policy=self._policy.enquiries,
        )
