"""Loyalty for any Python service: what a basket earns, and the life of a sale from identification to settlement.

Reward calculation is pure: `calculate(program, basket, member, at)`. The use cases are classes with one call each; they
need the ports of `loyalty_core.ports`, which `loyalty_adapters` implements. Importing this package needs msgspec and
the standard library, nothing else.
"""

from loyalty_core.domain.basket import Basket, BasketLine, InvalidBasket
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import (
    ChannelNotAllowed,
    ConcurrentUpdate,
    FieldError,
    HostRefusedUs,
    IllegalTransition,
    InFlight,
    LoyaltyError,
    OutcomeUnknown,
    Overloaded,
    OverReturn,
    QuoteChanged,
    RedemptionNeedsHost,
    RejectedByHost,
    RetryableError,
    SessionExpired,
    SessionNotFound,
    SettlementFailed,
    StorageUnavailable,
    TransactionMismatch,
    ValidationFailed,
    VersionMismatch,
)
from loyalty_core.domain.explanation import Explanation, LineExplanation, explain
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    CustomerId,
    HostSessionId,
    QuoteId,
    ReceiptId,
    ReturnId,
    SessionId,
    TransactionId,
    format_session_id,
    parse_session_id,
)
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram, built_in_program, program_from_json, program_to_json
from loyalty_core.domain.program_check import check_program
from loyalty_core.domain.program_examples import example_program_toml, example_programs
from loyalty_core.domain.program_mistakes import InvalidProgram, ProgramMistake
from loyalty_core.domain.program_parts import (
    Caps,
    Day,
    Exclusions,
    Per,
    Promotion,
    RedemptionRules,
    Stacking,
    Tier,
    TimeWindow,
)
from loyalty_core.domain.program_toml import program_from_toml, program_to_toml
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnStatus
from loyalty_core.domain.redemption import Redemption, RedemptionRefused
from loyalty_core.domain.return_request import AmbiguousSku, InvalidReturn, ReturnedShare, ReturnLine, ReturnRequest
from loyalty_core.domain.returns import (
    BookedTotals,
    ReturnFigures,
    Sale,
    SettledReturn,
    figures_to_return,
    sale_of,
    share_to_return,
)
from loyalty_core.domain.rewards import PromotionAward, Quote, calculate
from loyalty_core.domain.session import Session, SessionStatus
from loyalty_core.domain.session_quote import HostQuote, SessionQuote
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.answers import (
    CancelAnswer,
    FinalizeAnswer,
    IdentifyAnswer,
    QuoteAnswer,
    Recorded,
    ReturnAnswer,
    StatusAnswer,
)
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.calculate_rewards import Calculate, CalculateRewards
from loyalty_core.use_cases.cancel_session import Cancel, CancelSession
from loyalty_core.use_cases.deliver_pending import DeliverPending
from loyalty_core.use_cases.delivery_pace import DeliveryPace, PacePolicy
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.finalize_session import FinalizeSession
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.get_session_status import GetSessionStatus, GetStatus
from loyalty_core.use_cases.identify_customer import Identify, IdentifyCustomer
from loyalty_core.use_cases.list_sessions import ListOwnSessions, ListSessions, SessionPage, SessionSummary
from loyalty_core.use_cases.loyalty import Loyalty, Policy
from loyalty_core.use_cases.operate_delivery import Decision, OperateDelivery
from loyalty_core.use_cases.patience import SettlementPolicy
from loyalty_core.use_cases.pricing import Authority, Pricing
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.return_purchase import ReturnGoods, ReturnPurchase
from loyalty_core.use_cases.settlement import Settlement

__all__ = [
    "AmbiguousSku",
    "Authority",
    "Basket",
    "BasketLine",
    "BookedTotals",
    "Budgets",
    "Calculate",
    "CalculateRewards",
    "Caller",
    "Cancel",
    "CancelAnswer",
    "CancelSession",
    "Caps",
    "ChannelId",
    "ChannelNotAllowed",
    "ClientId",
    "ConcurrentUpdate",
    "CustomerId",
    "Day",
    "Decision",
    "DeliverPending",
    "DeliveryPace",
    "Exclusions",
    "Explanation",
    "FieldError",
    "Finalize",
    "FinalizeAnswer",
    "FinalizeSession",
    "Flights",
    "GetSessionStatus",
    "GetStatus",
    "HostQuote",
    "HostRefusedUs",
    "HostSessionId",
    "Identify",
    "IdentifyAnswer",
    "IdentifyCustomer",
    "IllegalTransition",
    "InFlight",
    "InvalidBasket",
    "InvalidProgram",
    "InvalidReturn",
    "LineExplanation",
    "ListOwnSessions",
    "ListSessions",
    "Loyalty",
    "LoyaltyError",
    "Member",
    "OperateDelivery",
    "OutcomeUnknown",
    "OverReturn",
    "Overloaded",
    "PacePolicy",
    "Per",
    "Policy",
    "Ports",
    "Pricing",
    "ProgramMistake",
    "Promotion",
    "PromotionAward",
    "PurchaseReturn",
    "Quote",
    "QuoteAnswer",
    "QuoteChanged",
    "QuoteId",
    "ReceiptId",
    "Recorded",
    "Redemption",
    "RedemptionNeedsHost",
    "RedemptionRefused",
    "RedemptionRules",
    "RejectedByHost",
    "RetryableError",
    "ReturnAnswer",
    "ReturnFigures",
    "ReturnGoods",
    "ReturnId",
    "ReturnLine",
    "ReturnPurchase",
    "ReturnRequest",
    "ReturnStatus",
    "ReturnedShare",
    "RewardProgram",
    "Sale",
    "SaleProgram",
    "Session",
    "SessionExpired",
    "SessionId",
    "SessionNotFound",
    "SessionPage",
    "SessionQuote",
    "SessionStatus",
    "SessionSummary",
    "SettledReturn",
    "Settlement",
    "SettlementFailed",
    "SettlementPolicy",
    "Stacking",
    "StatusAnswer",
    "StorageUnavailable",
    "Tier",
    "TimeWindow",
    "TransactionId",
    "TransactionMismatch",
    "ValidationFailed",
    "VersionMismatch",
    "built_in_program",
    "calculate",
    "check_program",
    "example_program_toml",
    "example_programs",
    "explain",
    "figures_to_return",
    "format_session_id",
    "parse_session_id",
    "program_from_json",
    "program_from_toml",
    "program_to_json",
    "program_to_toml",
    "sale_of",
    "share_to_return",
]
