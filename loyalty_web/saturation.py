"""The judgement that follows the rate limit: whether this process has room for the call."""

from litestar.types import ASGIApp, Receive, Scope, Send

from loyalty_core.domain.errors import Overloaded
from loyalty_web.admission import TURN, Admission
from loyalty_web.authentication import is_open
from loyalty_web.turned_away import turn_away


class Saturation:
    """Lets a call wait for its turn, or refuses it before anything was done; never who looks after the service."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, and go on."""
        if is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            turn = await self._admission.enter(scope["auth"].client)
        except Overloaded as refusal:
            await turn_away(scope, send, refusal)
            return
        mine = TURN.set(turn)
        try:
            await self._app(scope, turn.receiving(receive), send)
        finally:
            TURN.reset(mine)
            turn.end()
