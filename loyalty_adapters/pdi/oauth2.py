"""OAuth2 client credentials: one token for the process, fetched by one flight at a time, renewed before it ends."""

import asyncio
import base64
import re
from contextlib import suppress
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec
from typing_extensions import override
from yarl import URL

from loyalty_adapters.pdi.breaker import Circuit, CircuitOpen
from loyalty_adapters.pdi.exchange import Answer, Exchanges, NeverLeft, NoAnswer
from loyalty_adapters.pdi.outcomes import retry_after
from loyalty_adapters.pdi.settings import PdiSettings
from loyalty_core.ports.clock import Clock

_BODY: Final = urlencode({"grant_type": "client_credentials"}).encode()
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,8192}")
_REFUSALS: Final = frozenset({400, 401, 403})
_REFUSED: Final = "credentials_refused"
_MAX_GRANT_BYTES: Final = 16 * 1024
_DEFAULT_LIFE: Final = 300.0
_LONGEST_LIFE: Final = 86_400.0
_LAST_USE: Final = 0.02
"""A token is not used in this last part of its life: it could end on the way."""


class TokenUnavailable(Exception):
    """The token endpoint is away, or is being left alone. `reason` is a short stable word."""

    def __init__(self, reason: str, retry_after: float = 1.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class TokenRefused(Exception):
    """Our credentials, or a token obtained with them a moment ago, are not accepted."""

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Token:
    """A bearer token, as the value of the ``Authorization`` header. The repr does not show it."""

    __slots__ = ("authorization", "fetched_at", "proven", "renew_at", "replaces", "unusable_at")

    def __init__(self, value: str, now: float, life: float, skew: float, *, replaces: bool) -> None:
        self.authorization = f"Bearer {value}"
        self.fetched_at = now
        self.renew_at = now + life - min(skew, life / 2)
        self.unusable_at = now + life * (1 - _LAST_USE)
        self.replaces = replaces
        """Whether it was fetched because PDI refused the one before."""
        self.proven = False
        """Whether PDI has ever accepted it."""

    @override
    def __repr__(self) -> str:
        return f"Token(proven={self.proven})"


class _Grant(msgspec.Struct):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: float | None = None


_GRANT: Final = msgspec.json.Decoder(_Grant)


class TokenSource:
    """Hands out the process's token. Whoever needs one while it is being fetched waits for the same fetch."""

    def __init__(self, settings: PdiSettings, exchanges: Exchanges, clock: Clock, circuit: Circuit) -> None:
        self._settings = settings
        self._exchanges = exchanges
        self._clock = clock
        self._circuit = circuit
        self._url = URL(settings.token_endpoint)
        self._headers = {
            "Authorization": _basic(settings.client_id, settings.client_secret),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._token: Token | None = None
        self._flight: asyncio.Task[Token] | None = None
        self._refused_until: float | None = None

    def at_hand(self) -> Token | None:
        """The token, if there is one that can be used; one that is about to end is renewed behind the scenes."""
        token = self._token
        if token is None:
            return None
        now = self._clock.monotonic()
        if now >= token.renew_at:
            if now >= token.unusable_at:
                return None
            if self._circuit.retry_after <= 0 and self._pause() <= 0:
                _ = self._start(replaces=False)
        return token

    def unavailable_for(self) -> float:
        """Seconds until a token can be had; 0 where there is one, or it can be asked for now."""
        if self._token is not None and self._clock.monotonic() < self._token.unusable_at:
            return 0.0
        return self._circuit.retry_after

    async def get(self) -> Token:
        """A usable token, fetched if need be.

        Raises:
            TokenUnavailable: the endpoint is unreachable, too slow, failing, or its circuit is open.
            TokenRefused: it does not accept our credentials.
        """
        token = self.at_hand()
        return token if token is not None else await self._fetched(replaces=False)

    async def replace(self, refused: Token) -> Token:
        """Another token than the one PDI has just refused; the one that replaced it already, if one did.

        A token that was itself a replacement and has never been accepted is not replaced again at once: while PDI
        refuses whatever we have, each call would otherwise be sent twice.

        Raises:
            TokenUnavailable: as `get`.
            TokenRefused: as `get`, or the refused token is such a replacement.
        """
        token = self._token
        if token is refused:
            pause = refused.fetched_at + self._settings.refusal_pause - self._clock.monotonic()
            if refused.replaces and not refused.proven and pause > 0:
                raise TokenRefused("fresh_token_refused", pause)
            self._token = None
        elif token is not None:
            return token
        return await self._fetched(replaces=True)

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            with suppress(asyncio.CancelledError, TokenRefused, TokenUnavailable):
                await self._flight

    async def _fetched(self, *, replaces: bool) -> Token:
        if (pause := self._pause()) > 0:
            raise TokenRefused(_REFUSED, pause)
        # Shielded: the caller who started the fetch may go away, those who wait with it may not suffer.
        return await asyncio.shield(self._start(replaces=replaces))

    def _pause(self) -> float:
        """Seconds for which our credentials are not tried again after they were refused."""
        return 0.0 if self._refused_until is None else self._refused_until - self._clock.monotonic()

    def _start(self, *, replaces: bool) -> asyncio.Future[Token]:
        """The flight under way, else a new one."""
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._fetch(replaces=replaces), name="pdi-token")
            self._flight.add_done_callback(_heard)
        return self._flight

    async def _fetch(self, *, replaces: bool) -> Token:
        try:
            permit = self._circuit.admit()
        except CircuitOpen as opened:
            raise TokenUnavailable("token_circuit_open", opened.retry_after) from None
        limit = self._settings.token_timeout
        try:
            async with asyncio.timeout(limit):
                answer = await self._exchanges.send(
                    "POST", self._url, self._headers, _BODY, within=limit, at_most=_MAX_GRANT_BYTES
                )
        except (NeverLeft, NoAnswer, TimeoutError) as error:
            permit.failed()
            reason = error.reason if isinstance(error, NeverLeft | NoAnswer) else "timed_out"
            raise TokenUnavailable(f"token_{reason}") from error
        except BaseException:
            permit.abandoned()
            raise
        try:
            token = self._judge(answer, replaces=replaces)
        except TokenUnavailable:
            permit.failed()
            raise
        except TokenRefused:
            permit.succeeded()
            self._refused_until = self._clock.monotonic() + self._settings.refusal_pause
            raise
        permit.succeeded()
        self._refused_until = None
        self._token = token
        return token

    def _judge(self, answer: Answer, *, replaces: bool) -> Token:
        if answer.status in _REFUSALS:
            raise TokenRefused(_REFUSED, self._settings.refusal_pause)
        if not 200 <= answer.status < 300:
            wait = retry_after(answer.headers, self._clock.now(), self._settings.max_retry_after)
            raise TokenUnavailable(f"token_http_{answer.status}", 1.0 if wait is None else wait)
        try:
            grant = _GRANT.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # Without the cause: its text may quote the token.
            raise TokenUnavailable("token_unreadable") from None
        life = _DEFAULT_LIFE if grant.expires_in is None else min(grant.expires_in, _LONGEST_LIFE)
        if grant.token_type.lower() != "bearer" or not _VISIBLE.fullmatch(grant.access_token) or life <= 0:
            raise TokenUnavailable("token_unreadable")
        return Token(grant.access_token, self._clock.monotonic(), life, self._settings.token_skew, replaces=replaces)


def _basic(client_id: str, client_secret: str) -> str:
    """Form-encoded before they are joined, as RFC 6749 section 2.3.1 has it: a colon or an umlaut may be in either."""
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _heard(flight: asyncio.Task[Token]) -> None:
    """Takes the error of a renewal that nobody waited for; whoever needs the token next meets it again."""
    if not flight.cancelled():
        flight.exception()
