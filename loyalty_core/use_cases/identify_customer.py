from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import (
    ChannelNotAllowed,
    HostRefusedUs,
    RejectedByHost,
    TransactionMismatch,
    ValidationFailed,
)
from loyalty_core.domain.fingerprint import fingerprint
from loyalty_core.domain.identifiers import ChannelId, CustomerId, HostSessionId, TransactionId, check_external_id
from loyalty_core.domain.member import Member
from loyalty_core.domain.metadata import check_metadata
from loyalty_core.domain.session import Cause, Opening, Session, SessionStatus
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostRefusesUs,
    HostRejection,
)
from loyalty_core.ports.session_store import KeyTaken, Loaded, StaleSession
from loyalty_core.ports.unit_of_work import Call, CustomerSnapshot, SessionChange, StoredAnswer
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.answers import IdentifyAnswer, Recorded, recall, record
from loyalty_core.use_cases.budgets import Budgets, Deadline
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.session_answers import identify_answer
from loyalty_core.use_cases.transitions import Transitions

OLDEST_UPLOAD: Final = timedelta(days=30)
"""How late a POS that was offline may upload a sale."""
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a POS's clock may run ahead of ours."""


class Identify(msgspec.Struct, frozen=True, kw_only=True):
    """Open a session for a customer at a channel for one transaction.

    Raises:
        ValidationFailed: an identifier or the metadata breaks its bounds.
    """

    caller: Caller
    customer: CustomerId
    channel: ChannelId
    transaction: TransactionId
    metadata: dict[str, Any] = {}
    occurred_at: datetime | None = None
    """When the sale took place, where it is uploaded late. Aware."""

    def __post_init__(self) -> None:
        check_external_id("customerId", self.customer)
        check_external_id("channelId", self.channel)
        check_external_id("transactionId", self.transaction)
        check_metadata("metadata", self.metadata)
        if self.occurred_at is not None and self.occurred_at.tzinfo is None:
            raise ValidationFailed.of("occurredAt", "must have a time zone, e.g. end in Z")

    def fingerprint(self) -> str:
        """What the call means, key and client included: nobody is given the answer to another client's call."""
        return fingerprint(
            client=self.caller.client,
            customer=self.customer,
            channel=self.channel,
            transaction=self.transaction,
            metadata=self.metadata,
            occurred_at=None if self.occurred_at is None else self.occurred_at.timestamp().as_integer_ratio(),
        )


class _Identified(msgspec.Struct, frozen=True):
    """What is known of the customer, from the host or from memory of it."""

    member: Member
    host_session: HostSessionId | None


class IdentifyCustomer:
    """Opens a session, or finds again the one that the same call has opened before."""

    def __init__(self, ports: Ports, *, flights: Flights, budgets: Budgets, session_ttl: timedelta) -> None:
        self._store = ports.store
        self._host = ports.host
        self._clock = ports.clock
        self._identifiers = ports.identifiers
        self._observer = ports.observer
        self._flights = flights
        self._budgets = budgets
        self._ttl = session_ttl
        self._transitions = Transitions(ports)

    async def __call__(self, command: Identify) -> Recorded[IdentifyAnswer]:
        """The session's opening answer; equal calls get equal bytes.

        Raises:
            ChannelNotAllowed: the key may not act for the channel.
            TransactionMismatch: the transaction was identified before with another payload.
            RejectedByHost: the host does not accept the customer.
            HostRefusedUs, InFlight, ConcurrentUpdate, Overloaded, StorageUnavailable, OutcomeUnknown: see there.
        """
        if not command.caller.may_use(command.channel):
            raise ChannelNotAllowed(f"this key may not act for channel {command.channel}")
        meaning = command.fingerprint()
        answer, joined = await self._flights.board(
            (Call.IDENTIFY, command.caller.client, meaning),
            lambda: self._identify(command, meaning),
            within=self._budgets.identify + self._budgets.slack,
        )
        return answer.again() if joined else answer

    async def _identify(self, command: Identify, meaning: str) -> Recorded[IdentifyAnswer]:
        deadline = Deadline(self._clock, self._budgets.identify)
        identified: _Identified | None = None
        races = 0
        while True:
            probe = await self._store.find_by_key(command.channel, command.transaction)
            if probe.gone:
                raise TransactionMismatch(
                    "this channel and transaction belong to a sale whose records were put away; use a new transactionId"
                )
            retired = None
            if probe.holder is not None:
                if not probe.holder.session.has_expired(probe.now):
                    return self._judge(probe.holder, meaning)
                retired = SessionChange(
                    before=probe.holder.session,
                    after=probe.holder.session.expire(probe.now),
                    cause=Cause.EXPIRED,
                )
            _check_occurred_at(command.occurred_at, probe.now)
            if identified is None:
                identified = await self._ask(command, deadline)
            try:
                return await self._open(command, meaning, identified, probe.now, retired)
            except (KeyTaken, StaleSession):
                races += 1
                await self._transitions.give_way(races)

    def _judge(self, holder: Loaded, meaning: str) -> Recorded[IdentifyAnswer]:
        session = holder.session
        if session.opening.fingerprint != meaning:
            raise TransactionMismatch(
                "this channel and transaction were identified before with another payload; "
                "repeat that payload, cancel that session, or use a new transactionId"
            )
        self._observer.replayed(Call.IDENTIFY, session)
        return recall(identify_answer(session), holder.answers.get(Call.IDENTIFY))

    async def _ask(self, command: Identify, deadline: Deadline) -> _Identified:
        try:
            found = await self._host.identify(
                command.channel, command.transaction, command.customer, within=deadline.left()
            )
        except HostRejection as no:
            raise RejectedByHost(no.reason, no.message, no.details) from no
        except HostRefusesUs as refused:
            raise HostRefusedUs(retry_after=refused.retry_after) from refused
        except HostError:
            snapshot = await self._store.find_snapshot(command.customer)
            return _Identified(Member(command.customer) if snapshot is None else snapshot.member, None)
        return _Identified(found.member, found.session)

    async def _open(
        self, command: Identify, meaning: str, identified: _Identified, now: datetime, retired: SessionChange | None
    ) -> Recorded[IdentifyAnswer]:
        member = identified.member
        provisional = identified.host_session is None
        session = Session(
            id=self._identifiers.session_id(),
            client=command.caller.client,
            channel=command.channel,
            transaction=command.transaction,
            customer=command.customer,
            status=SessionStatus.ACTIVE,
            version=1,
            opening=Opening(
                fingerprint=meaning,
                name=member.name,
                points=member.points,
                tier=member.tier,
                provisional=provisional,
            ),
            tier=member.tier,
            created_at=now,
            expires_at=now + self._ttl,
            occurred_at=command.occurred_at,
            metadata=command.metadata,
            host_session=identified.host_session,
        )
        answer = record(identify_answer(session))
        opened = SessionChange(before=None, after=session, cause=Cause.IDENTIFIED)
        await self._transitions.commit(
            *((opened,) if retired is None else (retired, opened)),
            answer=StoredAnswer(call=Call.IDENTIFY, body=answer.body),
            snapshot=None if provisional else CustomerSnapshot(member=member, at=now),
        )
        return answer


def _check_occurred_at(occurred_at: datetime | None, now: datetime) -> None:
    if occurred_at is None:
        return
    if occurred_at < now - OLDEST_UPLOAD:
        raise ValidationFailed.of("occurredAt", f"must not be more than {OLDEST_UPLOAD.days} days ago")
    if occurred_at > now + CLOCK_SKEW:
        raise ValidationFailed.of("occurredAt", "must not be in the future")
