from typing import Annotated, Final

from litestar import get, post
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_202_ACCEPTED

from loyalty_core.domain.errors import SessionNotFound
from loyalty_core.domain.identifiers import parse_session_id
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.api_keys import Scope
from loyalty_core.use_cases.answers import (
    CancelAnswer,
    FinalizeAnswer,
    IdentifyAnswer,
    QuoteAnswer,
    ReturnAnswer,
    StatusAnswer,
)
from loyalty_core.use_cases.get_session_status import GetStatus
from loyalty_web.answered import Answered
from loyalty_web.authentication import requires
from loyalty_web.conditional import entity_tag, expected_version
from loyalty_web.openapi_responses import accepted, problems
from loyalty_web.request_bodies import JsonRequest
from loyalty_web.request_facts import RequestFacts
from loyalty_web.return_schemas import ReturnGoodsRequest
from loyalty_web.schemas import CalculateRequest, CancelRequest, FinalizeRequest, IdentifyRequest

POS: Final = requires(Scope.POS)
_ASK_AGAIN: Final = "2"
"""Seconds after which a POS that was promised a settlement may look whether it has come."""

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The `ETag` of the status that was read, where the call must not meet a newer version.",
        examples=[Example(value='"3"')],
        schema_extra={"pattern": '^(\\*|(W/)?"[!#-~]*")$'},
        required=False,
    ),
]
SessionInQuery = Annotated[str, QueryParameter(name="sessionId", description="The `sessionId` of `/identify`.")]


@post("/identify", status_code=HTTP_201_CREATED, opt=POS, tags=["sale"], summary="Open a session for a customer",
      response_description="The session, and what the POS may show of the customer.",
      responses=problems("channel_not_allowed", "transaction_mismatch", "pdi_rejected", "in_flight",
                         "concurrent_update", "pdi_unauthorized"))  # fmt: skip
async def identify(
    data: JSONBody[IdentifyRequest],
    request: JsonRequest,
) -> Answered[IdentifyAnswer]:
    """Repeating the call gives the first answer, byte for byte, with `Idempotent-Replayed: true`."""
    desk = request.desk
    return Answered.recorded(await desk.loyalty.identify(data.command(desk.caller)), HTTP_201_CREATED)


@post("/calculateRewards", status_code=HTTP_200_OK, opt=POS, tags=["sale"], summary="Quote the points of a basket",
      response_description="The quote.",
      responses=problems("session_not_found", "version_mismatch", "session_expired", "settlement_failed",
                         "illegal_transition", "pdi_rejected", "concurrent_update", "redemption_needs_pdi",
                         "pdi_unauthorized"))  # fmt: skip
async def calculate_rewards(
    data: JSONBody[CalculateRequest],
    request: JsonRequest,
    if_match: IfMatch = None,
) -> Answered[QuoteAnswer]:
    """Repeatable until the sale is finalized; a basket equal to the one last quoted gets that quote again."""
    desk = request.desk
    quote = await desk.loyalty.calculate(data.command(desk.caller, desk.program, expected_version(if_match)))
    return Answered(quote, HTTP_200_OK)


@post("/finalize", status_code=HTTP_200_OK, opt=POS, tags=["sale"], summary="Commit the rewards, once",
      response_description="Booked.",
      responses={HTTP_202_ACCEPTED: accepted(FinalizeAnswer),
                 **problems("session_not_found", "transaction_mismatch", "version_mismatch", "session_expired",
                            "illegal_transition", "quote_changed", "settlement_failed", "pdi_rejected", "in_flight",
                            "concurrent_update", "redemption_needs_pdi", "pdi_unauthorized")})  # fmt: skip
async def finalize(
    data: JSONBody[FinalizeRequest],
    request: JsonRequest,
    if_match: IfMatch = None,
) -> Answered[FinalizeAnswer]:
    """200: booked. 202: it settles exactly once, or ends `failed` with PDI's reason; ask for the status."""
    desk = request.desk
    recorded = await desk.loyalty.finalize(data.command(desk.caller, desk.program, expected_version(if_match)))
    if recorded.answer.status is not SessionStatus.FINALIZING:
        return Answered.recorded(recorded, HTTP_200_OK)
    return Answered.recorded(recorded, HTTP_202_ACCEPTED, _where_to_look(recorded.answer.session_id))


@post("/cancel", status_code=HTTP_200_OK, opt=POS, tags=["sale"], summary="Abandon a session",
      response_description="The session after it.",
      responses=problems("session_not_found", "version_mismatch", "session_expired", "settlement_failed",
                         "illegal_transition", "concurrent_update"))  # fmt: skip
async def cancel(
    data: JSONBody[CancelRequest],
    request: JsonRequest,
    if_match: IfMatch = None,
) -> Answered[CancelAnswer]:
    """Possible while nothing has been sent to PDI for it."""
    desk = request.desk
    return Answered(await desk.loyalty.cancel(data.command(desk.caller, expected_version(if_match))), HTTP_200_OK)


@get("/getSessionStatus", opt=POS, tags=["sale"], summary="How a session stands",
      response_description="The session.",
     responses=problems("session_not_found", body=False))  # fmt: skip
async def get_session_status(
    request: JsonRequest,
    session_id: SessionInQuery,
) -> Answered[StatusAnswer]:
    """State, points, and how far the delivery to PDI has come; the `ETag` is what `If-Match` takes."""
    name = parse_session_id(session_id)
    if name is None:
        raise SessionNotFound
    RequestFacts.of(request.scope).note(sessionId=session_id)
    desk = request.desk
    status = await desk.loyalty.status(GetStatus(caller=desk.caller, session_id=name))
    return Answered(status, HTTP_200_OK, headers={"ETag": entity_tag(status.version)})


@post("/return", status_code=HTTP_200_OK, opt=POS, tags=["sale"], summary="Take a sale back, wholly or in part",
      response_description="Taken back.",
      responses={HTTP_202_ACCEPTED: accepted(ReturnAnswer),
                 **problems("session_not_found", "transaction_mismatch", "version_mismatch", "illegal_transition",
                            "over_return", "settlement_failed", "pdi_rejected", "in_flight", "concurrent_update",
                            "pdi_unauthorized")})  # fmt: skip
async def return_goods(
    data: JSONBody[ReturnGoodsRequest],
    request: JsonRequest,
    if_match: IfMatch = None,
) -> Answered[ReturnAnswer]:
    """200: PDI has taken the points back. 202: it does exactly once, or the return ends `rejected`; ask for the status.

    Points go back by the share of the sale that comes back; when everything has come back, exactly what was booked.
    """
    desk = request.desk
    recorded = await desk.loyalty.give_back(data.command(desk.caller, desk.program, expected_version(if_match)))
    if recorded.answer.status is not ReturnStatus.ACCEPTED:
        return Answered.recorded(recorded, HTTP_200_OK)
    return Answered.recorded(recorded, HTTP_202_ACCEPTED, _where_to_look(recorded.answer.session_id))


def _where_to_look(session_id: str) -> dict[str, str]:
    """The headers of a promise."""
    return {"Location": f"/getSessionStatus?sessionId={session_id}", "Retry-After": _ASK_AGAIN}
