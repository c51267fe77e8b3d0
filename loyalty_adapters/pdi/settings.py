"""What the PDI client can be told. Times are seconds; budgets of single calls are the caller's and are not here."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
from typing_extensions import override


class CircuitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a circuit opens, and for how long.

    Raises:
        ValueError: a knob with which the circuit could never open, never close, or divide by nothing.
    """

    failures_in_a_row: int = 5
    """Opens after this many failures with no success between them."""
    window: float = 10.0
    """Opens also on what happened in this many seconds, ..."""
    window_calls: int = 10
    """... if there were at least this many calls ..."""
    window_share: float = 0.5
    """... and at least this share of them failed or were slow."""
    slow_share: float = 0.8
    """A call is slow once it has used more than this share of its time."""
    open_for: float = 10.0
    """Time before the first probe; doubled each time a probe fails."""
    open_cap: float = 30.0
    """It never grows beyond this."""

    def __post_init__(self) -> None:
        if self.failures_in_a_row < 1 or self.window_calls < 1:
            raise ValueError("failures_in_a_row and window_calls must be at least 1")
        if not (0 < self.window_share <= 1 and 0 < self.slow_share <= 1):
            raise ValueError("window_share and slow_share must be above 0 and at most 1")
        if not (self.window > 0 and 0 < self.open_for <= self.open_cap):
            raise ValueError("window and open_for must be above 0, and open_cap at least open_for")


class PdiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where PDI is, who we are to it, and the bounds every call keeps. The repr shows no credentials.

    Raises:
        ValueError: an address that is not a plain http(s) address, or a bound that lets nothing through.
    """

    base_url: str
    client_id: str
    client_secret: str
    token_url: str = ""
    """Empty: ``/oauth/token`` below the base."""
    max_in_flight: int = 128
    """Calls of this process that may be at PDI, or waiting for a token, at once."""
    min_useful_budget: float = 0.05
    """A call with less time than this is not made: its answer would come too late to be used."""
    connect_timeout: float = 2.0
    """For DNS, TCP and TLS together. At most 5: the HTTP library rounds longer ones up to whole seconds."""
    keep_alive: float = 15.0
    """Idle connections are closed after this. Keep it below PDI's own limit: a connection that PDI closes while a
    call is being written on it makes the outcome of that call unknown."""
    max_answer_bytes: int = 256 * 1024
    """A longer answer is not read to its end and counts as no answer."""
    max_retry_after: float = 60.0
    """No ``Retry-After`` of PDI's makes us wait longer."""
    token_timeout: float = 5.0
    """One fetch of a token, whoever waits for it."""
    token_skew: float = 30.0
    """A token is renewed in the background this long before it ends (but never in the first half of its life)."""
    refusal_pause: float = 5.0
    """After our credentials, or a token just renewed, were refused: time until a token is asked for again."""
    circuit: CircuitSettings = CircuitSettings()
    token_circuit: CircuitSettings = CircuitSettings()

    def __post_init__(self) -> None:
        for name, url in (("base_url", self.base_url), ("token_url", self.token_endpoint)):
            _check_url(name, url)
        if self.max_in_flight < 1 or self.max_answer_bytes < 1:
            raise ValueError("max_in_flight and max_answer_bytes must be at least 1")
        if not 0 < self.connect_timeout <= 5:
            raise ValueError("connect_timeout must be above 0 and at most 5 seconds")
        if min(self.min_useful_budget, self.keep_alive, self.max_retry_after, self.token_timeout) <= 0:
            raise ValueError("min_useful_budget, keep_alive, max_retry_after and token_timeout must be above 0")
        if self.token_skew < 0 or self.refusal_pause < 0:
            raise ValueError("token_skew and refusal_pause must not be negative")

    @property
    def token_endpoint(self) -> str:
        """Where tokens are fetched."""
        return self.token_url or f"{self.base_url.rstrip('/')}/oauth/token"

    @override
    def __repr__(self) -> str:
        return f"PdiSettings(base_url={self.base_url!r}, token_endpoint={self.token_endpoint!r})"

    @override
    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("base_url", self.base_url), ("token_endpoint", self.token_endpoint)]


def _check_url(name: str, url: str) -> None:
    # The value is not repeated in the message: a mistyped address may hold a password.
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{name} must be an http or https address")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError(f"{name} must have no credentials, query or fragment")
