"""The first judgement of every call: whose it is, and whether the key may make it."""

from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Guard, Receive, Scope, Send

from loyalty_core.ports.api_keys import Scope as KeyScope
from loyalty_web.errors import ScopeMissing, Unauthenticated
from loyalty_web.keyring import Keyring
from loyalty_web.request_facts import RequestFacts

OPEN_TO_ALL: Final = "open_to_all"
"""The option of routes that need no key."""
_BEARER: Final = "bearer "


class Authentication(ASGIMiddleware):
    """Puts the caller into ``scope["user"]`` and the key into ``scope["auth"]``, or refuses the call."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = OPEN_TO_ALL

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Judge, and go on."""
        key = await self._keyring.open(_presented(scope))
        if key is None:
            raise Unauthenticated
        scope["user"] = key.caller()
        scope["auth"] = key
        RequestFacts.of(scope).note(client=key.client, keyId=key.id)
        await next_app(scope, receive, send)


def requires(scope: KeyScope) -> Guard:
    """A guard that refuses keys without `scope`."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if scope not in connection.auth.scopes:
            raise ScopeMissing(scope.value)

    return guard


def _presented(scope: Scope) -> str:
    """The key as it was sent, or nothing. `Authorization` counts where both headers are there."""
    api_key = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            text = value.decode("latin-1")
            return text[len(_BEARER) :].strip() if text[: len(_BEARER)].lower() == _BEARER else ""
        if name == b"x-api-key":
            api_key = value.decode("latin-1").strip()
    return api_key
