"""What only the HTTP face refuses. Everything else is refused by the core."""

from loyalty_core.domain.errors import LoyaltyError, RetryableError


class Unauthenticated(LoyaltyError):
    """No API key, or one that opens nothing. Which of the two, and why, is not told."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__("send a valid API key as `Authorization: Bearer lk_...` or `X-API-Key: lk_...`")


class ScopeMissing(LoyaltyError):
    """The API key may not make calls of this kind."""

    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"this API key lacks the scope `{scope}`")


class BodyTooLarge(LoyaltyError):
    """The request's body is longer than any call's can be."""

    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body must not be longer than {limit} bytes")


class BodyTooSlow(LoyaltyError):
    """The request's body did not arrive in time."""

    code = "request_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body did not arrive within {seconds:g} seconds; repeat the call")


class NotJson(LoyaltyError):
    """The request's body does not say that it is JSON."""

    code = "unsupported_media_type"

    def __init__(self) -> None:
        super().__init__("send the body as `Content-Type: application/json`, in UTF-8 and not compressed")


class RateLimited(RetryableError):
    """More calls than the caller's allowance has left; nothing was done."""

    code = "rate_limited"

    def __init__(self, by: str, *, retry_after: float, headers: list[tuple[bytes, bytes]]) -> None:
        whose = "this client" if by == "client" else "this address without a valid API key"
        super().__init__(f"too many calls of {whose}; nothing was done, repeat the call later", retry_after=retry_after)
        self.headers = headers
