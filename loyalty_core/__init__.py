"""Loyalty for any Python service: what a basket earns, and the life of a sale from identification to settlement.

Reward calculation is pure: `calculate(program, basket, member, at)`. The use cases are classes with one call each; they
need the ports of `loyalty_core.ports`, which `loyalty_adapters` implements. Importing this package needs msgspec and
the standard library, nothing else.
"""

from loyalty_core.domain.basket import Basket, BasketLine, InvalidBasket
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.difference import Difference, DifferenceKind, Side
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
from loyalty_core.domain.explanation import Explanation, LineExplanation, LinePromotion, explain
from loyalty_core.domain.explanation_outcomes import Outcome, PromotionExplanation
from loyalty_core.domain.host_books import CommitKind, HostCommit, HostSessionReport
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
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnedSoFar, ReturnStatus
from loyalty_core.domain.redemption import Redemption, RedemptionRefused, RedemptionRule
from loyalty_core.domain.return_request import AmbiguousSku, InvalidReturn, ReturnedShare, ReturnLine, ReturnRequest
from loyalty_core.domain.returns import (
    BookedTotals,
    ReturnFigures,
    Sale,
    SettledReturn,
    SoldLine,
    figures_to_return,
    sale_of,
    share_to_return,
)
from loyalty_core.domain.rewards import PromotionAward, Quote, calculate
from loyalty_core.domain.rewards_spread import ExclusionReason
from loyalty_core.domain.session import Session, SessionStatus
from loyalty_core.domain.session_cause import Cause
from loyalty_core.domain.session_parts import FinalizeIntent, HostReceipt, Opening
from loyalty_core.domain.session_quote import HostQuote, SessionQuote
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.answers import (
    Breakdown,
    CancelAnswer,
    DeliveryProgress,
    FinalizeAnswer,
    IdentifyAnswer,
    LineShare,
    PromotionShare,
    QuoteAnswer,
    Recorded,
    RedemptionShare,
    ReturnAnswer,
    ReturnProgress,
    StatusAnswer,
)
from loyalty_core.use_cases.archive_sessions import ArchiveSessions
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.calculate_rewards import Calculate, CalculateRewards
from loyalty_core.use_cases.cancel_session import Cancel, CancelSession
from loyalty_core.use_cases.clear_answers import ClearAnswers
from loyalty_core.use_cases.deliver_pending import DeliverPending, Round
from loyalty_core.use_cases.delivery_pace import DeliveryPace, PacePolicy
from loyalty_core.use_cases.enquiries import Enquiries, EnquiryPolicy
from loyalty_core.use_cases.errand import Errand, FinalAnswer
from loyalty_core.use_cases.expire_sessions import ExpireSessions
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.finalize_session import FinalizeSession
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.get_session_status import GetSessionStatus, GetStatus
from loyalty_core.use_cases.identify_customer import Identify, IdentifyCustomer
from loyalty_core.use_cases.jobs import Batch, Job
from loyalty_core.use_cases.keep_schedule import KeepSchedule
from loyalty_core.use_cases.list_sessions import ListOwnSessions, ListSessions, SessionPage, SessionSummary
from loyalty_core.use_cases.loyalty import Loyalty, Policy
from loyalty_core.use_cases.operate_delivery import Decision, OperateDelivery
from loyalty_core.use_cases.patience import SettlementPolicy
from loyalty_core.use_cases.pricing import Authority, Pricing
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.reconcile_sessions import ReconcileSessions
from loyalty_core.use_cases.return_errand import ReturnErrand
from loyalty_core.use_cases.return_purchase import ReturnGoods, ReturnPurchase
from loyalty_core.use_cases.run_job import Portion, RunJob, RunPolicy
from loyalty_core.use_cases.sale_errand import SALE
from loyalty_core.use_cases.session_comparison import SessionComparison, Verdict
from loyalty_core.use_cases.settlement import Settlement
from loyalty_core.use_cases.turns import Settled, Try

__all__ = [
    "SALE",
    "AmbiguousSku",
    "ArchiveSessions",
    "Authority",
    "Basket",
    "BasketLine",
    "Batch",
    "BookedTotals",
    "Breakdown",
    "Budgets",
    "Calculate",
    "CalculateRewards",
    "Caller",
    "Cancel",
    "CancelAnswer",
    "CancelSession",
    "Caps",
    "Cause",
    "ChannelId",
    "ChannelNotAllowed",
    "ClearAnswers",
    "ClientId",
    "CommitKind",
    "ConcurrentUpdate",
    "CustomerId",
    "Day",
    "Deadline",
    "Decision",
    "DeliverPending",
    "Delivery",
    "DeliveryPace",
    "DeliveryProgress",
    "Difference",
    "DifferenceKind",
    "Enquiries",
    "EnquiryPolicy",
    "Errand",
    "ExclusionReason",
    "Exclusions",
    "ExpireSessions",
    "Explanation",
    "FieldError",
    "FinalAnswer",
    "Finalize",
    "FinalizeAnswer",
    "FinalizeIntent",
    "FinalizeSession",
    "Flights",
    "GetSessionStatus",
    "GetStatus",
    "HostCommit",
    "HostQuote",
    "HostReceipt",
    "HostRefusedUs",
    "HostSessionId",
    "HostSessionReport",
    "Identify",
    "IdentifyAnswer",
    "IdentifyCustomer",
    "IllegalTransition",
    "InFlight",
    "InvalidBasket",
    "InvalidProgram",
    "InvalidReturn",
    "Job",
    "KeepSchedule",
    "LineExplanation",
    "LinePromotion",
    "LineShare",
    "ListOwnSessions",
    "ListSessions",
    "Loyalty",
    "LoyaltyError",
    "Member",
    "Opening",
    "OperateDelivery",
    "Outcome",
    "OutcomeUnknown",
    "OverReturn",
    "Overloaded",
    "PacePolicy",
    "Per",
    "Policy",
    "Portion",
    "Ports",
    "Pricing",
    "ProgramMistake",
    "Promotion",
    "PromotionAward",
    "PromotionExplanation",
    "PromotionShare",
    "PurchaseReturn",
    "Quote",
    "QuoteAnswer",
    "QuoteChanged",
    "QuoteId",
    "ReceiptId",
    "ReconcileSessions",
    "Recorded",
    "Redemption",
    "RedemptionNeedsHost",
    "RedemptionRefused",
    "RedemptionRule",
    "RedemptionRules",
    "RedemptionShare",
    "RejectedByHost",
    "RetryableError",
    "ReturnAnswer",
    "ReturnErrand",
    "ReturnFigures",
    "ReturnGoods",
    "ReturnId",
    "ReturnLine",
    "ReturnProgress",
    "ReturnPurchase",
    "ReturnRequest",
    "ReturnStatus",
    "ReturnedShare",
    "ReturnedSoFar",
    "RewardProgram",
    "Round",
    "RunJob",
    "RunPolicy",
    "Sale",
    "SaleProgram",
    "Session",
    "SessionComparison",
    "SessionExpired",
    "SessionId",
    "SessionNotFound",
    "SessionPage",
    "SessionQuote",
    "SessionStatus",
    "SessionSummary",
    "Settled",
    "SettledReturn",
    "Settlement",
    "SettlementFailed",
    "SettlementPolicy",
    "Side",
    "SoldLine",
    "Stacking",
    "StatusAnswer",
    "StorageUnavailable",
    "StoreTime",
    "Tier",
    "TimeWindow",
    "TransactionId",
    "TransactionMismatch",
    "Try",
    "ValidationFailed",
    "Verdict",
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
