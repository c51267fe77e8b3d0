from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_200_OK

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.domain.session import TERMINAL, SessionStatus
from loyalty_core.ports.api_keys import Scope
from loyalty_core.use_cases.list_sessions import ListOwnSessions, ListSessions, SessionPage
from loyalty_web.answered import Answered
from loyalty_web.authentication import requires
from loyalty_web.openapi_responses import problems

StatusInQuery = Annotated[
    list[str] | None,
    QueryParameter(
        name="status",
        description="Only sessions that ended like this; may be given several times. Without it, however they ended.",
        required=False,
    ),
]
SinceInQuery = Annotated[
    str | None,
    QueryParameter(
        name="settledSince",
        description="Only sessions that entered the state they are in at this time or later.",
        examples=[Example(value="2026-03-16T14:30:45Z")],
        schema_extra={"format": "date-time"},
        required=False,
    ),
]
CursorInQuery = Annotated[
    str | None,
    QueryParameter(name="cursor", description="The `nextCursor` of the page before, unchanged.", required=False),
]


@get("/sessions", opt=requires(Scope.POS), tags=["sale"], summary="The client's sessions that have ended",
     response_description="A page of them, those that ended first coming first.",
     responses=problems(body=False))  # fmt: skip
async def list_sessions(
    caller: NamedDependency[Caller],
    list_sessions: NamedDependency[ListSessions],
    status: StatusInQuery = None,
    settled_since: SinceInQuery = None,
    cursor: CursorInQuery = None,
) -> Answered[SessionPage]:
    """What settled, was returned, failed or was cancelled, up to 100 at a time, of the channels that the key may use.

    To keep books, ask again and again with `settledSince` a minute before the last time, and go by `sessionId` and
    `version`: a session that something is returned of ends anew, and comes again.
    """
    query = ListOwnSessions(
        caller=caller,
        statuses=tuple(map(_status, status or ())),
        settled_since=None if settled_since is None else _time(settled_since),
        cursor=cursor,
    )
    return Answered(await list_sessions(query), HTTP_200_OK)


def _status(text: str) -> SessionStatus:
    try:
        return SessionStatus(text)
    except ValueError:
        raise ValidationFailed.of("status", f"must be one of {', '.join(sorted(TERMINAL))}") from None


def _time(text: str) -> datetime:
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise ValidationFailed.of("settledSince", "must be a time such as 2026-03-16T14:30:45Z") from None
