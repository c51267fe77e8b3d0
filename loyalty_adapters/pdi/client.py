"""`LoyaltyHost` over PDI's HTTP API: bulkhead, circuit, token, deadline, one exchange, and a name for how it ended."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Self

import msgspec
from typing_extensions import override
from yarl import URL

from loyalty_adapters.pdi import wire
from loyalty_adapters.pdi.breaker import Circuit, CircuitOpen, CircuitState, Permit, StateListener
from loyalty_adapters.pdi.bulkhead import Bulkhead, BulkheadFull
from loyalty_adapters.pdi.call import Call, Endpoint, ReplyT, RequestT
from loyalty_adapters.pdi.exchange import Answer, Exchanges, NeverLeft, NoAnswer
from loyalty_adapters.pdi.oauth2 import Token, TokenRefused, TokenSource, TokenUnavailable
from loyalty_adapters.pdi.outcomes import Outcome, TokenNotAccepted, outcome_of, refusal
from loyalty_adapters.pdi.settings import PdiSettings
from loyalty_core.domain.basket import Basket
from loyalty_core.domain.identifiers import ChannelId, CustomerId, HostSessionId, TransactionId
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import HostReceipt
from loyalty_core.domain.session_quote import HostQuote
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.loyalty_host import (
    FinalizeOrder,
    HostError,
    HostIdentification,
    HostNotJudged,
    HostNotSent,
    HostRefusesUs,
    HostSessionReport,
    HostSilence,
    LoyaltyHost,
    ReturnOrder,
)

_SUCCESS: Final = 200
_REDIRECTION: Final = 300

HeaderSource = Callable[[], Mapping[str, str]]
"""Gives the headers of the moment, such as ``traceparent``."""

CallListener = Callable[[str, Outcome, float, str | None], None]
"""Told a call's endpoint, how it ended, how many seconds it took, and, where it was not accepted, the short stable word
for why. It must not raise. A call that was cancelled by its caller has not ended in any of the seven ways and is not
told."""

CallSeam = Callable[[str], AbstractContextManager[object]]
"""Given a call's endpoint, what to have around it; `HeaderSource` and `CallListener` are asked and told within."""


class PdiHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How PDI looks from this process."""

    circuit: CircuitState
    token_circuit: CircuitState
    latency: float | None
    """Seconds of the last exchange that was answered; None before the first."""
    in_flight: int


class PdiClient(LoyaltyHost):
    """The loyalty host, over HTTP. Async context manager; calls are possible between entering and leaving it."""

    def __init__(
        self,
        settings: PdiSettings,
        clock: Clock,
        *,
        headers: HeaderSource = dict,
        around: CallSeam = lambda _: nullcontext(),
        on_call: CallListener | None = None,
        on_circuit: StateListener | None = None,
    ) -> None:
        """`on_circuit` hears of the circuits ``pdi`` and ``pdi_token``."""
        self._settings = settings
        self._clock = clock
        self._more_headers = headers
        self._around = around
        self._on_call = on_call
        self._bulkhead = Bulkhead(settings.max_in_flight)
        self._circuit = Circuit("pdi", settings.circuit, clock, on_circuit)
        self._token_circuit = Circuit("pdi_token", settings.token_circuit, clock, on_circuit)
        self._exchanges = Exchanges(settings)
        self._tokens = TokenSource(settings, self._exchanges, clock, self._token_circuit)
        self._latency: float | None = None
        base = URL(settings.base_url)
        self._identify = Endpoint(base, "POST", "identify", wire.IdentifyReply, wire.IdentifyReply.answers)
        self._calculate = Endpoint(base, "POST", "calculateRewards", wire.CalculateReply, wire.CalculateReply.answers)
        self._finalize = Endpoint(base, "POST", "finalize", wire.FinalizeReply, wire.FinalizeReply.answers)
        self._return = Endpoint(base, "POST", "return", wire.ReturnReply, wire.ReturnReply.answers)
        self._status = Endpoint(base, "GET", "getSessionStatus", wire.StatusReply, wire.StatusReply.answers)

    async def __aenter__(self) -> Self:
        await self._exchanges.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tokens.close()
        await self._exchanges.__aexit__(kind, error, trace)

    def health(self) -> PdiHealth:
        """How PDI looks from here, without asking it."""
        return PdiHealth(
            circuit=self._circuit.state,
            token_circuit=self._token_circuit.state,
            latency=self._latency,
            in_flight=self._bulkhead.in_flight,
        )

    @override
    def unavailable_for(self) -> float:
        return max(self._circuit.retry_after, self._tokens.unavailable_for())

    @override
    async def identify(
        self, channel: ChannelId, transaction: TransactionId, customer: CustomerId, *, within: float
    ) -> HostIdentification:
        request = wire.IdentifyRequest(customer_id=customer, channel_id=channel, transaction_id=transaction)
        reply = await self._call(self._identify, request, within)
        return reply.identification(customer)

    @override
    async def calculate(self, session: HostSessionId, basket: Basket, *, within: float) -> HostQuote:
        reply = await self._call(self._calculate, wire.calculate_request(session, basket), within)
        return reply.quote(redemption_confirmed=basket.redeem_points > 0)

    @override
    async def finalize(self, order: FinalizeOrder, *, within: float) -> HostReceipt:
        reply = await self._call(self._finalize, wire.finalize_request(order), within, order.key)
        return reply.receipt()

    @override
    async def send_return(self, order: ReturnOrder, *, within: float) -> ReturnFigures:
        reply = await self._call(self._return, wire.return_request(order), within, order.key)
        return reply.figures()

    @override
    async def report(self, session: HostSessionId, *, within: float) -> HostSessionReport:
        reply = await self._call(self._status, wire.StatusQuery(session_id=session), within)
        return reply.report()

    async def _call(
        self, endpoint: Endpoint[RequestT, ReplyT], request: RequestT, within: float, key: str | None = None
    ) -> ReplyT:
        began = self._clock.monotonic()
        with self._around(endpoint.name):
            try:
                reply = await self._place(endpoint, request, within, key)
            except HostError as error:
                self._ended(endpoint.name, outcome_of(error), began, error.reason)
                raise
            self._ended(endpoint.name, Outcome.ACCEPTED, began)
            return reply

    def _ended(self, endpoint: str, outcome: Outcome, began: float, reason: str | None = None) -> None:
        if self._on_call is not None:
            self._on_call(endpoint, outcome, self._clock.monotonic() - began, reason)

    async def _place(
        self, endpoint: Endpoint[RequestT, ReplyT], request: RequestT, within: float, key: str | None
    ) -> ReplyT:
        if within < self._settings.min_useful_budget:
            raise HostNotSent("budget_too_small")
        if (wait := self._circuit.retry_after) > 0:
            raise HostNotSent("circuit_open", retry_after=wait)
        try:
            with self._bulkhead:
                return await self._authorized(Call(endpoint, request, within, key))
        except BulkheadFull:
            raise HostNotSent("bulkhead_full") from None

    async def _authorized(self, call: Call[RequestT, ReplyT]) -> ReplyT:
        token = self._tokens.at_hand() or await self._token(call, self._tokens.get())
        try:
            return await self._exchange(call, token)
        except TokenNotAccepted:
            fresh = await self._token(call, self._tokens.replace(token))
        try:
            return await self._exchange(call, fresh)
        except TokenNotAccepted:
            raise HostRefusesUs("fresh_token_refused", retry_after=self._settings.refusal_pause) from None

    async def _token(self, call: Call[RequestT, ReplyT], token: Awaitable[Token]) -> Token:
        try:
            async with asyncio.timeout_at(call.deadline):
                return await token
        except TimeoutError:
            raise HostNotSent("token_timed_out") from None
        except TokenUnavailable as away:
            raise HostNotSent(away.reason, retry_after=away.retry_after) from away
        except TokenRefused as refused:
            raise HostRefusesUs(refused.reason, retry_after=refused.retry_after) from refused

    async def _exchange(self, call: Call[RequestT, ReplyT], token: Token) -> ReplyT:
        left = call.time_left()
        if left < self._settings.min_useful_budget:
            raise HostNotSent("budget_spent")
        try:
            permit = self._circuit.admit()
        except CircuitOpen as opened:
            raise HostNotSent("circuit_open", retry_after=opened.retry_after) from None
        began = self._clock.monotonic()
        try:
            headers = {**call.headers, **self._more_headers(), "Authorization": token.authorization}
            async with asyncio.timeout_at(call.deadline):
                answer = await self._exchanges.send(
                    call.endpoint.method,
                    call.url,
                    headers,
                    call.body,
                    within=left,
                    at_most=self._settings.max_answer_bytes,
                )
        except NeverLeft as error:
            permit.failed()
            raise HostNotSent(error.reason, retry_after=max(1.0, self._circuit.retry_after)) from error
        except (NoAnswer, TimeoutError) as error:
            permit.failed()
            raise HostSilence(error.reason if isinstance(error, NoAnswer) else "timed_out") from error
        except BaseException:
            permit.abandoned()  # the caller went away: that says nothing about PDI
            raise
        self._latency = self._clock.monotonic() - began
        slow = self._latency > self._settings.circuit.slow_share * call.within
        return self._judge(call, answer, token, permit, slow=slow)

    def _judge(
        self, call: Call[RequestT, ReplyT], answer: Answer, token: Token, permit: Permit, *, slow: bool
    ) -> ReplyT:
        error: HostError | TokenNotAccepted
        if _SUCCESS <= answer.status < _REDIRECTION:
            reply = call.endpoint.read(answer.body, call.request)
            if reply is not None:
                token.proven = True
                permit.succeeded(slow=slow)
                return reply
            error = HostSilence("unreadable_answer")
        else:
            error = refusal(answer, self._clock.now(), self._settings.max_retry_after)
        if isinstance(error, HostSilence | HostNotJudged):
            permit.failed()
        else:
            # A rejection is the wire at its best. Refused credentials are a matter between us and PDI's
            # administrator: an endpoint that says so in time is in good health.
            permit.succeeded(slow=slow)
            token.proven = token.proven or not isinstance(error, TokenNotAccepted)
        raise error
