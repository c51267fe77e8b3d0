"""The fault matrix as data: what PDI does, at which call, and what the POS, the session and PDI's books show for it.

Derived from the contract, in two steps. First, every fault has a class: what may be concluded from it, whatever the
call. Then every call answers each class in one way. `tests/faults/test_matrix.py` is generated from the product.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from tests.faults.times import TIMES

_LATE: Final = int(TIMES.longer_than_any_call * 1000)
_TRICKLE: Final = 3 * _LATE


class Call(StrEnum):
    """The calls of a POS."""

    IDENTIFY = "identify"
    CALCULATE = "calculateRewards"
    FINALIZE = "finalize"
    STATUS = "getSessionStatus"
    RETURN = "return"
    CANCEL = "cancel"


BUDGET: Final = {
    Call.IDENTIFY: TIMES.identify,
    Call.CALCULATE: TIMES.calculate,
    Call.FINALIZE: TIMES.finalize,
    Call.STATUS: TIMES.status,
    Call.RETURN: TIMES.finalize,
    Call.CANCEL: 0.0,
}
"""Seconds at PDI; the answer has to be there half a second later. Cancelling does not involve PDI at all."""


class Kind(StrEnum):
    """What may be concluded from what PDI did."""

    ACCEPTED = "accepted"
    NOT_SENT = "not sent"
    REJECTED = "definite no"
    NOT_JUDGED = "not judged"
    REFUSED_US = "refused, not judged"
    UNKNOWN = "unknown"


class Circuit(StrEnum):
    """What a fault that goes on does to the circuits, seen on the wire after five calls."""

    CLOSED = "closed"
    """The next call reaches PDI."""
    OPEN = "open"
    """The next call does not."""
    TOKENS_LEFT_ALONE = "tokens left alone"
    """No token, and no more requests for one: its circuit is open, or refused credentials rest for a while."""


class Means(StrEnum):
    """How a fault is brought about."""

    RULE = "rule"
    """A rule of the simulator's at the call under test."""
    TOKEN_RULE = "token rule"
    """A rule at the token endpoint; every token given out so far is revoked."""
    KILLED = "killed"
    """The simulator is gone: connections are refused."""
    STOPPED = "stopped"
    """SIGSTOP: the kernel accepts connections, nobody answers."""


class Fault(NamedTuple):
    """One thing PDI can do to a call."""

    name: str
    kind: Kind
    rule: Mapping[str, Any] = {}
    means: Means = Means.RULE
    done: bool = False
    """Whether PDI carries the call out all the same, sooner or later."""
    circuit: Circuit = Circuit.OPEN
    slow: bool = False
    """It takes the whole of a call's time."""
    needs_session: bool = False
    """It means nothing at a call that names no PDI session."""


def _rule(name: str, kind: Kind, mode: str = "", **more: Any) -> Fault:
    own = {key: more.pop(key) for key in ("done", "circuit", "slow", "needs_session") if key in more}
    return Fault(name, kind, {"mode": mode or name, **more}, **own)


FAULTS: Final = (
    _rule("ok", Kind.ACCEPTED, done=True, circuit=Circuit.CLOSED),
    _rule("duplicate_reply", Kind.ACCEPTED, done=True, circuit=Circuit.CLOSED),
    Fault("connect_refused", Kind.NOT_SENT, means=Means.KILLED),
    Fault("token_down", Kind.NOT_SENT, {"mode": "token_down"}, Means.TOKEN_RULE, circuit=Circuit.TOKENS_LEFT_ALONE),
    _rule("unauthorized", Kind.REFUSED_US, circuit=Circuit.CLOSED),
    _rule("reject", Kind.REJECTED, code="not_today", circuit=Circuit.CLOSED),
    _rule("rate_limited", Kind.NOT_JUDGED, retryAfterSeconds=1),
    Fault("stopped", Kind.UNKNOWN, means=Means.STOPPED, done=True, slow=True),
    _rule("timeout", Kind.UNKNOWN, slow=True),
    _rule("late_success", Kind.UNKNOWN, latencyMs=_LATE, done=True, slow=True),
    _rule("slow_headers", Kind.UNKNOWN, latencyMs=_TRICKLE, done=True, slow=True),
    _rule("slow_body", Kind.UNKNOWN, latencyMs=_TRICKLE, done=True, slow=True),
    _rule("reset", Kind.UNKNOWN),
    _rule("reset_after_commit", Kind.UNKNOWN, "reset", commits=True, done=True),
    _rule("drop_after_commit", Kind.UNKNOWN, done=True),
    _rule("truncated", Kind.UNKNOWN, done=True),
    _rule("garbage", Kind.UNKNOWN, done=True),
    _rule("garbage_undone", Kind.UNKNOWN, "garbage", commits=False),
    _rule("wrong_types", Kind.UNKNOWN, done=True),
    _rule("huge", Kind.UNKNOWN, done=True),
    _rule("http_500", Kind.UNKNOWN),
    _rule("http_500_done", Kind.UNKNOWN, "http_500", commits=True, done=True),
    _rule("http_503", Kind.UNKNOWN),
    # Lost once, PDI is asked to identify again and the call is made again; lost for ever, that leads nowhere.
    _rule("session_lost_once", Kind.ACCEPTED, "session_lost", times=1, done=True, needs_session=True,
          circuit=Circuit.CLOSED),
    _rule("session_lost", Kind.UNKNOWN, needs_session=True, circuit=Circuit.CLOSED),
    # Last, because refused credentials rest for seconds at any scale, and whoever comes next would wait for that.
    Fault(
        "token_refused",
        Kind.REFUSED_US,
        {"mode": "unauthorized", "endpoints": ["token"]},
        Means.TOKEN_RULE,
        circuit=Circuit.TOKENS_LEFT_ALONE,
    ),
)  # fmt: skip


class Expected(NamedTuple):
    """What shows of one call under one class of faults."""

    status: int
    code: str | None = None
    provisional: bool | None = None
    """As the answer says it; None where it does not say."""
    state: str | None = None
    """The session's, right after the answer; None where there is no session."""
    later: str | None = None
    """The session's, once PDI is well and the queue has drained; None: as right after."""

    @property
    def finally_(self) -> str | None:
        """The state that it ends in."""
        return self.later or self.state


_PROMISED: Final = Expected(202, provisional=True, state="finalizing", later="finalized")
_UNAUTHORIZED: Final = "pdi_unauthorized"

ANSWERS: Final[Mapping[Call, Mapping[Kind, Expected]]] = {
    Call.IDENTIFY: {
        Kind.ACCEPTED: Expected(201, provisional=False, state="active"),
        Kind.REJECTED: Expected(400, "pdi_rejected"),
        Kind.REFUSED_US: Expected(503, _UNAUTHORIZED),
        **dict.fromkeys(
            (Kind.NOT_SENT, Kind.NOT_JUDGED, Kind.UNKNOWN), Expected(201, provisional=True, state="active")
        ),
    },
    Call.CALCULATE: {
        Kind.ACCEPTED: Expected(200, provisional=False, state="calculated"),
        Kind.REJECTED: Expected(400, "pdi_rejected", state="active"),
        Kind.REFUSED_US: Expected(503, _UNAUTHORIZED, state="active"),
        **dict.fromkeys(
            (Kind.NOT_SENT, Kind.NOT_JUDGED, Kind.UNKNOWN), Expected(200, provisional=True, state="calculated")
        ),
    },
    Call.FINALIZE: {
        Kind.ACCEPTED: Expected(200, provisional=False, state="finalized"),
        Kind.REJECTED: Expected(400, "pdi_rejected", state="calculated"),
        Kind.REFUSED_US: Expected(503, _UNAUTHORIZED, state="calculated"),
        **dict.fromkeys((Kind.NOT_SENT, Kind.NOT_JUDGED, Kind.UNKNOWN), _PROMISED),
    },
    # Asked of a session whose finalize was booked and never answered. PDI's word on it can only confirm the booking:
    # no "no" of this call, and no absence, says anything about what was sent before.
    Call.STATUS: {
        Kind.ACCEPTED: Expected(200, provisional=False, state="finalized"),
        **dict.fromkeys(
            (Kind.NOT_SENT, Kind.REJECTED, Kind.NOT_JUDGED, Kind.REFUSED_US, Kind.UNKNOWN),
            Expected(200, provisional=False, state="finalizing", later="finalized"),
        ),
    },
    Call.RETURN: {
        Kind.ACCEPTED: Expected(200, state="returned"),
        Kind.REJECTED: Expected(400, "pdi_rejected", state="finalized"),
        Kind.REFUSED_US: Expected(503, _UNAUTHORIZED, state="finalized"),
        **dict.fromkeys(
            (Kind.NOT_SENT, Kind.NOT_JUDGED, Kind.UNKNOWN), Expected(202, state="finalized", later="returned")
        ),
    },
    Call.CANCEL: dict.fromkeys(Kind, Expected(200, state="cancelled")),
}

_RECEIVED: Final = frozenset({"finalized", "returned"})


class Cell(NamedTuple):
    """One call under one fault."""

    call: Call
    fault: Fault

    @property
    def expected(self) -> Expected:
        """What the contract says of it."""
        special = SPECIAL.get((self.call, self.fault.name))
        kind = self.fault.kind if self.meets_fault else Kind.ACCEPTED
        return ANSWERS[self.call][kind] if special is None else special

    @property
    def meets_fault(self) -> bool:
        """Whether the call asks PDI anything that the fault can disturb."""
        return self.call is not Call.CANCEL and not (self.call is Call.IDENTIFY and self.fault.needs_session)

    @property
    def commits_right_after(self) -> int:
        """Accruals in PDI's ledger when the POS has its answer, late ones included as soon as they are in."""
        if self.call is Call.FINALIZE:
            return int(self.fault.done)
        return int(self.call in {Call.STATUS, Call.RETURN})

    @property
    def commits_in_the_end(self) -> int:
        """The same once all is well."""
        return int(self.expected.finally_ in _RECEIVED)


SPECIAL: Final[Mapping[tuple[Call, str], Expected]] = {
    # "Not found" from a status query never proves absence, and is no reason to identify again in a call that only
    # looks: one lost answer is enough to leave the matter to the workers.
    (Call.STATUS, "session_lost_once"): ANSWERS[Call.STATUS][Kind.UNKNOWN],
}

SERVED: Final = (Call.IDENTIFY, Call.CALCULATE, Call.FINALIZE, Call.STATUS, Call.CANCEL, Call.RETURN)

CELLS: Final = tuple(Cell(call, fault) for fault in FAULTS for call in SERVED)
"""The matrix, row by row."""
