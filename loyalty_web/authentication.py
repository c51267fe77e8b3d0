"""The first judgement of every call: whose it is, and whether the key may make it."""

from typing import Any, Final

from litestar.types import ASGIApp, Receive, Scope, Send

from loyalty_core.ports.api_keys import ApiKey
from loyalty_core.ports.api_keys import Scope as KeyScope
from loyalty_web.errors import RateLimited, ScopeMissing, Unauthenticated
from loyalty_web.keyring import Keyring
from loyalty_web.origins import Origins
from loyalty_web.rate_limits import RateLimits
from loyalty_web.request_facts import RequestFacts
from loyalty_web.turned_away import turn_away

OPEN_TO_ALL: Final = "open_to_all"
"""The option of routes that need no key."""
_REQUIRED: Final = "required_scope"
_BEARER: Final = "bearer "


def is_open(scope: Scope) -> bool:
    """Whether the route needs no key."""
    return bool(scope["route_handler"].opt.get(OPEN_TO_ALL))


class Authentication:
    """Puts the caller into ``scope["user"]`` and the key into ``scope["auth"]``, or refuses the call."""

    def __init__(self, app: ASGIApp, keyring: Keyring, limits: RateLimits, origins: Origins) -> None:
        self._app = app
        self._keyring = keyring
        self._limits = limits
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge, and go on."""
        if is_open(scope):
            await self._app(scope, receive, send)
            return
        facts = RequestFacts.of(scope)
        try:
            key = await self._key(scope)
            facts.note(client=key.client, keyId=key.id)
            facts.headers += await self._limits.check_client(key.client)
        except RateLimited as refusal:
            facts.headers += refusal.headers
            await turn_away(scope, send, refusal)
            return
        required = scope["route_handler"].opt.get(_REQUIRED)
        if required is not None and required not in key.scopes:
            raise ScopeMissing(required.value)
        scope["user"] = key.caller()
        scope["auth"] = key
        await self._app(scope, receive, send)

    async def _key(self, scope: Scope) -> ApiKey:
        """The key that opens, or a refusal; for an address that sends too many others, without looking any up.

        Keys that this process knows still open then: behind one address there may be a whole shop, of which one till
        is ill.
        """
        presented, limits = _presented(scope), self._limits
        if limits.shuts_out_anybody and not self._keyring.knows(presented):
            limits.check_address(self._origins.address_of(scope))
        key = await self._keyring.open(presented)
        if key is None:
            await limits.note_failure(self._origins.address_of(scope))
            raise Unauthenticated
        return key


def requires(scope: KeyScope) -> dict[str, Any]:
    """The option of routes that take keys with `scope` alone.

    No guard of Litestar's: each call would copy its handler for it, and be judged in another thread.
    """
    return {_REQUIRED: scope}


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
