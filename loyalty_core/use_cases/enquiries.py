"""Asking the host about many sessions, gently and for as long as it takes, within bounds."""

import asyncio
from contextlib import nullcontext

import msgspec

from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.host_books import HostSessionReport
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.loyalty_host import (
    HostNotSent,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
    HostUndelivered,
    LoyaltyHost,
)

_PAUSE = 0.5
"""Seconds before a session is asked about again to which the host gave no answer; twice as long each time."""
_LEAST = 0.05
"""Seconds; no wait is shorter, whatever the host says."""


class EnquiryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How the host is asked."""

    in_flight: int = 8
    """Enquiries under way at once: a small part of what the host allows one process, so that tills go first."""
    tries: int = 3
    """How often it is asked about one session to which it gives no answer, while it answers for others."""
    patience: float = 60.0
    """Seconds for which it may take no enquiry at all before the asking ends."""


class HostStaysAway(LoyaltyError):
    """The host has taken no enquiry for too long. What was learnt before is kept; the rest is asked the next time."""

    code = "pdi_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the loyalty host takes no enquiries ({reason}); the next run goes on from here")
        self.reason = reason


class NoAnswer(Exception):
    """The host gave no answer for one session, however often it was asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Enquiries:
    """Asks about one session after the other. While the host takes no calls, one of those who wait asks for all."""

    def __init__(self, host: LoyaltyHost, clock: Clock, policy: EnquiryPolicy, within: float) -> None:
        """`within`: seconds for one enquiry."""
        self._host = host
        self._clock = clock
        self._policy = policy
        self._within = within
        self._away_since: float | None = None
        self._alone = asyncio.Lock()

    async def report(self, session: HostSessionId) -> HostSessionReport | None:
        """What the host has booked for its session; None where it says that it knows no such session.

        Raises:
            NoAnswer: it gives none for this session.
            HostStaysAway: it takes no enquiry of any session.
        """
        silences = 0
        while True:
            async with nullcontext() if self._away_since is None else self._alone:
                try:
                    return await self._ask(session)
                except HostUndelivered as error:
                    await self._wait(error)
                except HostSilence as error:
                    silences += 1
                    if silences >= self._policy.tries:
                        raise NoAnswer(error.reason) from error
                    await self._clock.sleep(_PAUSE * 2 ** (silences - 1))

    async def _ask(self, session: HostSessionId) -> HostSessionReport | None:
        wait = self._host.unavailable_for()
        if wait > 0:
            raise HostNotSent("circuit_open", retry_after=wait)
        report: HostSessionReport | None = None
        try:
            report = await self._host.report(session, within=self._within)
        except HostSessionUnknown:
            self._away_since = None
        except HostRejection as error:
            self._away_since = None
            raise NoAnswer(error.reason) from error
        else:
            self._away_since = None
        return report

    async def _wait(self, error: HostUndelivered) -> None:
        """As long as the host wants, unless it has taken nothing for too long."""
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
        left = self._away_since + self._policy.patience - now
        if left <= 0:
            raise HostStaysAway(error.reason)
        await self._clock.sleep(max(_LEAST, min(error.retry_after, left)))
