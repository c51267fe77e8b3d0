"""The judgement that follows the rate limit: whether this process has room for the call."""

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from loyalty_core.domain.errors import Overloaded
from loyalty_web.admission import TURN, Admission
from loyalty_web.authentication import OPEN_TO_ALL
from loyalty_web.turned_away import turn_away


class Saturation(ASGIMiddleware):
    """Lets a call wait for its turn, or refuses it before anything was done; never who looks after the service."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = OPEN_TO_ALL

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Wait, and go on."""
        try:
            turn = await self._admission.enter(scope["auth"].client)
        except Overloaded as refusal:
            await turn_away(scope, send, refusal)
            return
        mine = TURN.set(turn)
        try:
            await next_app(scope, turn.receiving(receive), send)
        finally:
            TURN.reset(mine)
            turn.end()
