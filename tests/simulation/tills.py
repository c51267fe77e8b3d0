"""The tills: patient, forgetful, doubled, and now and then confused."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from loyalty_core.domain.basket import BasketLine
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import RetryableError
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    CustomerId,
    QuoteId,
    ReturnId,
    SessionId,
    TransactionId,
    parse_session_id,
)
from loyalty_core.domain.return_request import ReturnRequest
from loyalty_core.use_cases.answers import IdentifyAnswer, QuoteAnswer
from loyalty_core.use_cases.calculate_rewards import Calculate
from loyalty_core.use_cases.cancel_session import Cancel
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.get_session_status import GetStatus
from loyalty_core.use_cases.identify_customer import Identify
from loyalty_core.use_cases.return_purchase import ReturnGoods
from tests.simulation.faults import Fault, Weather
from tests.simulation.history import Call
from tests.simulation.pdi import STRANGER

CALLER: Final = Caller(ClientId("acme"), ("POS-*",))
_MOST_TRIES: Final = 6
_PATIENCE: Final = 12.0
"""Seconds after which a till asks again, somewhere else."""
_LINES: Final = (BasketLine("COFFEE", Decimal(2), Decimal("4.50")), BasketLine("DIESEL", Decimal("10.5"), None))

Send = Callable[..., Awaitable[Call]]


class Till:
    """One sale at one till: identify, quote, finalize, each repeated until it has an answer or the till gives up."""

    def __init__(self, number: int, send: Send, sleep: Callable[[float], Awaitable[None]], weather: Weather) -> None:
        self._send = send
        self._sleep = sleep
        self._weather = weather
        self._lot = weather.lot
        self._channel = ChannelId(f"POS-{number % 2}")
        self._transaction = TransactionId(f"TX-{number}")
        self._customer = self._lot.choice((CustomerId("C"), CustomerId("CC"), CustomerId("CC"), STRANGER))
        self._beside: list[asyncio.Future[Any]] = []

    async def sell(self) -> None:
        """The whole sale."""
        await self._sleep(self._lot.choice((0.0, 0.0, 0.1, 3.0)))
        session = await self._identify()
        if session is None:
            return
        amount, redeem, quote = Decimal(self._lot.choice(("0", "12.50", "150.00"))), 0, None
        for _ in range(self._lot.choice((0, 1, 1, 2))):
            redeem = self._lot.choice((0, 0, 100)) if amount else 0
            quote = await self._quote(session, amount, redeem)
            if quote is None:
                redeem = 0
        if self._weather.strikes(Fault.CANCEL):
            self._aside(self._later(Cancel(caller=CALLER, session_id=session)))
        if self._lot.random() < 0.3:
            self._aside(self._later(GetStatus(caller=CALLER, session_id=session)))
        await self._finalize(session, amount, redeem, quote)
        for task in self._beside:
            await task

    async def _identify(self) -> SessionId | None:
        command = Identify(caller=CALLER, customer=self._customer, channel=self._channel, transaction=self._transaction)
        if self._weather.strikes(Fault.OTHER_PAYLOAD):
            other = Identify(
                caller=CALLER, customer=CustomerId("OTHER"), channel=self._channel, transaction=self._transaction
            )
            self._aside(self._later(other))
        call = await self._insist(command)
        return parse_session_id(call.answer.session_id) if isinstance(call.answer, IdentifyAnswer) else None

    async def _quote(self, session: SessionId, amount: Decimal, redeem: int) -> QuoteId | None:
        lines = _LINES if amount and self._lot.random() < 0.3 else ()
        call = await self._insist(
            Calculate(caller=CALLER, session_id=session, amount=amount, lines=lines, redeem_points=redeem)
        )
        return QuoteId(call.answer.quote_id) if isinstance(call.answer, QuoteAnswer) else None

    async def _finalize(self, session: SessionId, amount: Decimal, redeem: int, quote: QuoteId | None) -> None:
        if self._lot.random() < 0.2:
            amount, quote = amount + 1, None
        command = Finalize(
            caller=CALLER,
            session_id=session,
            transaction=self._transaction,
            final_amount=amount,
            apply_rewards=redeem > 0 or self._lot.random() < 0.9,
            redeem_points=redeem,
            quote_id=self._lot.choice((quote, None)),
        )
        if self._weather.strikes(Fault.OTHER_PAYLOAD):
            other = Finalize(
                caller=CALLER,
                session_id=session,
                transaction=self._transaction,
                final_amount=Decimal("77.70"),
                apply_rewards=True,
            )
            self._aside(self._later(other))
        call = await self._insist(command)
        if call.code in {"pdi_rejected", "quote_changed"} and self._lot.random() < 0.7:
            # The till drops the redemption and the quote, and tries again: a corrected call is judged afresh.
            await self._insist(
                Finalize(
                    caller=CALLER,
                    session_id=session,
                    transaction=self._transaction,
                    final_amount=amount + 2,
                    apply_rewards=True,
                )
            )
        if self._lot.random() < 0.3:
            await self._later(GetStatus(caller=CALLER, session_id=session))
        for _ in range(self._lot.choice((0, 0, 1, 2))):
            await self._later(command)
        if call.answer is not None:
            await self._take_back(session, amount)

    async def _take_back(self, session: SessionId, amount: Decimal) -> None:
        """None, some or all of it comes back, now and then all of it several times over."""
        for number in range(self._lot.choice((0, 0, 1, 2, 3))):
            part = self._lot.choice((None, None, Decimal(5), amount / 2 if amount else None))
            command = ReturnGoods(
                caller=CALLER,
                session_id=session,
                return_id=ReturnId(f"R-{number}"),
                request=ReturnRequest(amount=None if part is None else part.quantize(Decimal("0.01"))),
            )
            if self._weather.strikes(Fault.OTHER_PAYLOAD):
                other = msgspec.structs.replace(command, request=ReturnRequest(amount=Decimal("1.23")))
                self._aside(self._later(other))
            if self._lot.random() < 0.3:
                self._aside(self._insist(command))
            else:
                await self._insist(command)

    async def _insist(self, command: Any) -> Call:
        """The same call until it has an answer that says more than "again", or patience ends."""
        tries = 0
        while True:
            tries += 1
            if self._weather.strikes(Fault.DUPLICATE):
                self._aside(self._send(command, patience=_PATIENCE))
            patience = _PATIENCE
            if self._weather.strikes(Fault.HANG_UP):
                patience = self._lot.choice((0.0, 0.01, 0.1, 1.0, 5.0))
            call = await self._send(command, patience=patience)
            again = call.unanswered or isinstance(call.error, RetryableError)
            if not again or tries >= _MOST_TRIES or self._lot.random() < 0.05:
                return call
            await self._sleep(self._lot.choice((0.0, 0.2, 1.0, 5.0)))

    async def _later(self, command: Any) -> None:
        await self._sleep(self._lot.choice((0.0, 0.05, 0.5, 5.0, 15.0, 40.0)))
        await self._send(command, patience=_PATIENCE)

    def _aside(self, work: Awaitable[Any]) -> None:
        self._beside.append(asyncio.ensure_future(work))
