from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from loyalty_web.programs import ProgramInForce


class OneProgram:
    """Gives each call one reward program from its first step to its last, swapped meanwhile or not."""

    def __init__(self, app: ASGIApp, programs: ProgramInForce) -> None:
        self._app = app
        self._programs = programs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:  # the lifespan is no call, and outlives every program
            await self._app(scope, receive, send)
            return
        held = self._programs.hold()
        try:
            await self._app(scope, receive, send)
        finally:
            self._programs.let_go(held)
