"""PDI's five calls: decode, ask the ledger, say what it said."""

from typing import Any, Final
from urllib.parse import parse_qs
from zlib import crc32

from loyalty_adapters.pdi_simulator import bodies
from loyalty_adapters.pdi_simulator.entries import Answer, instant
from loyalty_adapters.pdi_simulator.ledger import Ledger, require_points
from loyalty_adapters.pdi_simulator.messages import Rejection, Reply, Request
from loyalty_adapters.pdi_simulator.program import Program, Quote

_IDENTIFY: Final = bodies.decoder(bodies.Identify)
_CALCULATE: Final = bodies.decoder(bodies.CalculateRewards)
_FINALIZE: Final = bodies.decoder(bodies.Finalize)
_RETURN: Final = bodies.decoder(bodies.Return)
_LONGEST_KEY: Final = 255


class Endpoints:
    """Each method takes a request and gives a reply, or raises the `Rejection` that is the reply."""

    def __init__(self, ledger: Ledger, program: Program) -> None:
        self._ledger = ledger
        self._program = program

    def identify(self, request: Request) -> Reply:
        """`POST /identify`: the session of (channel, transaction, customer), the same one however often asked."""
        body = bodies.read(request, _IDENTIFY)
        session = self._ledger.identify(body.channel_id, body.transaction_id, body.customer_id)
        customer = session.customer
        return Reply.of(
            {
                "sessionId": session.session_id,
                "status": self._ledger.status(session),
                "customerName": customer.name,
                "currentPoints": customer.points,
                "tier": customer.tier,
            }
        )

    def calculate_rewards(self, request: Request) -> Reply:
        """`POST /calculateRewards`: what the basket would earn; books nothing."""
        body = bodies.read(request, _CALCULATE)
        session = self._ledger.usable(body.session_id)
        amount = bodies.exact(body.transaction_amount, "transactionAmount")
        redeem = body.redeem_points or 0
        require_points(session.customer, redeem)
        quote = self._program.quote(amount, bodies.lines(body.items), session.customer.tier, redeem)
        return Reply.of(_quoted(quote))

    def finalize(self, request: Request) -> Reply:
        """`POST /finalize`: books once per idempotency key, and again for every other key."""
        key = _idempotency_key(request)
        body = bodies.read(request, _FINALIZE)
        amount = bodies.exact(body.final_amount, "finalAmount")
        meaning = (
            body.transaction_id,
            str(amount.normalize()),
            body.apply_rewards,
            body.earned_points,
            body.redeem_points,
        )
        body_print = crc32(repr(meaning).encode())
        answer = self._ledger.answer(key, "finalize", body_print)
        if answer is None:
            answer = self._finalize_anew(body, key, body_print)
        return _finalized(answer)

    def _finalize_anew(self, body: bodies.Finalize, key: str, body_print: int) -> Answer:
        session = self._ledger.usable(body.session_id)
        if body.transaction_id != session.transaction_id:
            details = {"transactionId": body.transaction_id}
            raise Rejection(422, "transaction_mismatch", "The session belongs to another transaction.", details)
        redeemed = body.redeem_points or 0
        if redeemed and not body.apply_rewards:
            raise Rejection(400, "invalid_request", "Nothing can be redeemed where no rewards are applied.")
        # Judged before the arithmetic, so that a redemption beyond both limits has one name at every call.
        require_points(session.customer, redeemed)
        amount = bodies.exact(body.final_amount, "finalAmount")
        quote = self._program.quote(amount, bodies.lines(body.items or []), session.customer.tier, redeemed)
        earned = quote.earned
        if body.earned_points is not None and not self._program.books_own_figure:
            earned = body.earned_points
        return self._ledger.finalize(
            session,
            key,
            body_print,
            earned=earned if body.apply_rewards else 0,
            redeemed=redeemed,
            receipt_id=body.receipt_id,
        )

    def give_back(self, request: Request) -> Reply:
        """`POST /return`: takes earned points back and restores redeemed ones, once per idempotency key."""
        key = _idempotency_key(request)
        body = bodies.read(request, _RETURN)
        body_print = crc32(repr((body.return_id, body.points_reversed, body.points_restored)).encode())
        answer = self._ledger.answer(key, "return", body_print)
        if answer is None:
            answer = self._ledger.give_back(
                self._ledger.known(body.session_id),
                key,
                body_print,
                return_id=body.return_id,
                reversed_points=body.points_reversed,
                restored=body.points_restored,
            )
        return Reply.of(
            {
                "sessionId": answer.session.session_id,
                "returnId": answer.reference,
                "pointsReversed": answer.points,
                "pointsRestored": answer.restored,
                "newBalance": answer.balance,
            }
        )

    def session_status(self, request: Request) -> Reply:
        """`GET /getSessionStatus?sessionId=`: what was booked in the session, commit by commit."""
        wanted = parse_qs(request.query).get("sessionId", [])
        if len(wanted) != 1:
            raise Rejection(400, "invalid_request", "Give one `sessionId` in the query.")
        session = self._ledger.known(wanted[0])
        commits = [
            {"key": entry.key, "kind": entry.kind, "points": entry.points, "at": instant(entry.at)}
            for entry in session.entries
        ]
        return Reply.of(
            {
                "sessionId": session.session_id,
                "status": self._ledger.status(session),
                "earnedPoints": session.total("accrual"),
                "commits": commits,
            }
        )


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not key or len(key) > _LONGEST_KEY or not key.isprintable():
        raise Rejection(400, "idempotency_key_required", f"Send an Idempotency-Key of 1 to {_LONGEST_KEY} characters.")
    return key


def _quoted(quote: Quote) -> dict[str, Any]:
    body: dict[str, Any] = {
        "earnedPoints": quote.earned,
        "multiplier": quote.multiplier,
        "bonusPoints": quote.tier_bonus,
        "breakdown": {"basePoints": quote.base, "tierBonus": quote.tier_bonus},
    }
    if quote.redeemed:
        body["redemption"] = {"points": quote.redeemed, "discount": quote.discount}
    return body


def _finalized(answer: Answer) -> Reply:
    return Reply.of(
        {
            "sessionId": answer.session.session_id,
            "status": "finalized",
            "earnedPoints": answer.points,
            "newBalance": answer.balance,
            "receiptId": answer.reference,
        }
    )
