from datetime import UTC, datetime
from decimal import Decimal
from typing import BinaryIO, Final
from uuid import UUID

import click
import msgspec

from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_adapters.memory.programs import FixedProgram
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.domain.basket import Basket
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.explanation import Explanation, explain
from loyalty_core.domain.identifiers import ChannelId, ClientId, CustomerId, SessionId, format_session_id
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.use_cases.pricing import Authority, Pricing
from loyalty_core.use_cases.quote_answer import quote_answer
from loyalty_web.authoring.page import page
from loyalty_web.authoring.quote_page import quote_page
from loyalty_web.authoring.reasons import reason
from loyalty_web.cli.instants import Instant
from loyalty_web.cli.named_programs import program_named
from loyalty_web.cli.plainly import plainly
from loyalty_web.json_numbers import WholeNumber
from loyalty_web.request_bodies import decode
from loyalty_web.schemas import CalculateRequest, SessionName

_NOBODY: Final = CustomerId("")
_NO_SESSION: Final = format_session_id(SessionId(UUID(int=0)))
_OF_A_SESSION: Final = frozenset({"quoteId", "provisional", "version"})
"""What a quote over HTTP says of its session, and one without a session cannot."""


class BasketBody(CalculateRequest, frozen=True, kw_only=True):
    """The body of `/calculateRewards`; a session may be named, and does not matter."""

    session_id: SessionName = _NO_SESSION


@click.command()
@click.option("--program", "program_name", required=True, help="A TOML file, `built-in`, or an example's name.")
@click.option(
    "--basket",
    "source",
    type=click.File("rb"),
    required=True,
    help="The body of /calculateRewards; - reads it from standard input.",
)
@click.option("--tier", help="The customer's tier; without, the base rate.")
@click.option("--at", type=Instant(), help="When the sale takes place, with its offset; without, now.")
@click.option("--channel", default="POS-001", show_default=True, help="Where.")
@click.option("--redeem", type=click.IntRange(min=0), help="Points that pay for part of it, whatever the basket says.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def quote(
    program_name: str, source: BinaryIO, tier: str | None, at: datetime | None, channel: str, redeem: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Calculate the points of a basket, and explain them; no service is asked."""
    program = program_named(program_name)
    member = Member(_NOBODY, tier)
    with plainly():
        basket = _basket(source.read(), program, ChannelId(channel), redeem)
        explanation = explain(program, basket, member, at or datetime.now(UTC))
    if as_json:
        click.echo(_document(program, basket, member, explanation))
        return
    paper = page()
    for part in quote_page(program, basket, member, explanation):
        paper.print(part)


def _basket(body: bytes, program: RewardProgram, channel: ChannelId, redeem: int | None) -> Basket:
    """The basket in `body`, judged as the service judges it, in the same words."""
    given: BasketBody = decode(body, BasketBody)
    given = msgspec.structs.replace(given, session_id=_NO_SESSION)
    if redeem is not None:
        given = msgspec.structs.replace(given, redeem_points=WholeNumber(redeem))
    asked = given.command(Caller(ClientId("author"), channels=(channel,)), program, None)
    return Basket(amount=asked.amount, lines=asked.lines, channel=channel, redeem_points=asked.redeem_points)


def _document(program: RewardProgram, basket: Basket, member: Member, explanation: Explanation) -> bytes:
    """What the service answers for the same basket, and what became of every promotion."""
    pricing = Pricing(FixedProgram(program), MemoryIdentifierSource(SystemClock()), Authority.LOCAL)
    answer = quote_answer(pricing.quote(basket, _NOBODY, member.tier, explanation.quote.at), pricing, version=1)
    told = msgspec.to_builtins(answer, builtin_types=(Decimal, datetime))
    ours = {
        "programId": program.id,
        "programHash": program.content_hash,
        "at": explanation.quote.at,
        "tier": member.tier,
        "unknownTier": explanation.quote.unknown_tier,
        "eligibleSpend": explanation.eligible_spend,
        "belowMinimum": explanation.below_minimum,
        "cappedPoints": explanation.quote.capped_points,
        "promotions": [
            {
                "id": each.id,
                "name": each.name,
                "points": each.points,
                "outcome": each.outcome,
                "why": reason(each, promotion, program, basket, member),
                "uncappedPoints": each.uncapped_points,
                "takenByPromotionCap": each.taken_by_promotion_cap,
                "takenByNumberCap": each.taken_by_number_cap,
                "takenByTransactionCap": each.taken_by_transaction_cap,
            }
            for each, promotion in zip(explanation.promotions, program.promotions, strict=True)
        ],
    }
    of_the_basket = {name: value for name, value in told.items() if name not in _OF_A_SESSION}
    return msgspec.json.Encoder(decimal_format="number").encode({**of_the_basket, **ours})
