"""OAuth2 client credentials: one client, opaque bearer tokens that expire. Tokens do not survive a restart."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, unquote_plus

from loyalty_adapters.pdi_simulator.messages import Rejection, Reply, Request

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
_NOT_STORED: Final = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))


class TokenIssuer:
    """Issues tokens and judges them. `clock` is monotonic, in seconds."""

    def __init__(self, client_id: str, client_secret: str, *, ttl_seconds: int, clock: Callable[[], float]) -> None:
        self._client = f"{client_id}\0{client_secret}".encode()
        self._ttl = ttl_seconds
        self._clock = clock
        self._expiry: dict[str, float] = {}
        self.issued = 0

    def grant(self, request: Request) -> Reply:
        """The token endpoint (RFC 6749, 4.4): credentials by basic authentication or in the form."""
        try:
            form = parse_qs(request.body.decode("ascii"), keep_blank_values=True)
        except UnicodeDecodeError:
            return error(400, "invalid_request")
        if not self._is_client(request.headers.get("authorization"), form):
            return refused_client()
        if form.get("grant_type") != ["client_credentials"]:
            return error(400, "unsupported_grant_type")
        token = secrets.token_urlsafe(32)
        now = self._clock()
        self._expiry = {known: expiry for known, expiry in self._expiry.items() if expiry > now}
        self._expiry[token] = now + self._ttl
        self.issued += 1
        return Reply.of({"access_token": token, "token_type": "Bearer", "expires_in": self._ttl}, 200, _NOT_STORED)

    def check(self, request: Request) -> None:
        """Lets a request with a living bearer token pass.

        Raises:
            Rejection: 401 `invalid_token`.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        expiry = self._expiry.get(token)
        if scheme.lower() != "bearer" or expiry is None or expiry <= self._clock():
            raise refused_token()

    def revoke_all(self) -> int:
        """Makes every token issued so far a bad one; how many there were."""
        revoked = len(self._expiry)
        self._expiry.clear()
        return revoked

    def _is_client(self, authorization: str | None, form: dict[str, list[str]]) -> bool:
        claims: list[tuple[str, str]] = []
        if authorization is not None:
            claims = _basic(authorization)
        elif len(form.get("client_id", ())) == 1 and len(form.get("client_secret", ())) == 1:
            claims = [(form["client_id"][0], form["client_secret"][0])]
        return any(hmac.compare_digest(f"{name}\0{secret}".encode(), self._client) for name, secret in claims)


def refused_token() -> Rejection:
    """What PDI says to a bad or expired token."""
    challenge = ("WWW-Authenticate", 'Bearer realm="PDI", error="invalid_token"')
    return Rejection(401, "invalid_token", "The bearer token is missing, unknown or expired.", {}, (challenge,))


def _basic(authorization: str) -> list[tuple[str, str]]:
    """The credentials as sent, and form-decoded as RFC 6749 2.3.1 wants them: clients do either."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return []
    return [(name, secret), (unquote_plus(name), unquote_plus(secret))] if colon else []


def refused_client() -> Reply:
    """What the token endpoint says to bad credentials."""
    return error(401, "invalid_client", (("WWW-Authenticate", 'Basic realm="PDI"'),))


def error(status: int, code: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An error of the token endpoint (RFC 6749, 5.2)."""
    return Reply.of({"error": code}, status, _NOT_STORED + headers)
