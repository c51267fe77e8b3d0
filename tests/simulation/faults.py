import random
from collections import Counter
from enum import Enum, StrEnum
from typing import Final


class Fault(StrEnum):
    """Everything that can go wrong in a simulated history."""

    STORE_AWAY = "store away"
    STORE_FULL = "store overloaded"
    STORE_CONTENDED = "store gave up on a contended commit"
    STORE_SLOW = "store slow"
    COMMIT_LOST = "commit answer lost, nothing written"
    COMMIT_UNHEARD = "commit answer lost, all written"
    COMMIT_LATE = "commit answer lost, written later"
    CACHE_AWAY = "cache away"
    CACHE_FLUSHED = "cache flushed"
    ANSWERS_CLEARED = "answers of record cleared"
    PROGRAM_SWAPPED = "program swapped"
    HOST_NOT_SENT = "connection to the host refused"
    HOST_CIRCUIT_OPEN = "circuit open"
    HOST_NOT_JUDGED = "host too busy"
    HOST_REFUSES_US = "host refuses our credentials"
    HOST_REJECTS = "host says no this time"
    HOST_BLOCKS_CUSTOMER = "host says no from now on"
    HOST_SILENT = "host silent, nothing done"
    HOST_SILENT_DONE = "host silent, all done"
    HOST_LATE = "host silent, done later"
    HOST_SLOW = "host slow"
    HOST_FORGETS = "host forgets its session"
    HOST_DISAGREES = "host has other figures"
    CRASH_BEFORE = "process dies before a request leaves"
    CRASH_AFTER = "process dies once a request has arrived"
    STALL = "process stalls"
    STALL_AWAITING = "process stalls while the host answers"
    HANG_UP = "POS hangs up"
    DUPLICATE = "POS sends a call twice at once"
    OTHER_PAYLOAD = "POS sends another payload"
    CANCEL = "POS cancels"
    EXPIRY = "sessions live for seconds"


_CALM: Final = 0.0
_EVERYDAY: Final = (_CALM, _CALM, _CALM, 0.02, 0.05)
_STORMY: Final = (0.1, 0.3, 0.6)
_RARER: Final = {
    # What happens at every exchange of every process has to be rare, or no history gets anywhere.
    Fault.CRASH_BEFORE: 0.05,
    Fault.CRASH_AFTER: 0.05,
    Fault.STALL: 0.1,
    Fault.STALL_AWAITING: 0.3,
    Fault.STORE_AWAY: 0.3,
    Fault.STORE_FULL: 0.3,
    Fault.HOST_BLOCKS_CUSTOMER: 0.3,
}

_ARRANGED: Final = 0.3
"""The share of histories in which two faults are brought together, with little else going wrong."""


class Meeting(Enum):
    """Faults that do harm only together, and would seldom meet by chance."""

    LATE_BOOKING = 1
    """A sale that is booked long after its answer was lost, and a no to the next send."""
    LATE_NO = 2
    """A no that comes back to a call whose lease is over and whose sale has been promised meanwhile."""
    TWO_PROMISES = 3
    """Figures that change between two promises, the first of which is no longer kept as it was given."""
    LATE_CANCEL = 4
    """A cancellation between a send and its answer."""


_MEETINGS: Final[dict[Meeting, dict[Fault, float]]] = {
    Meeting.LATE_BOOKING: {Fault.HOST_LATE: 0.4, Fault.HOST_REJECTS: 0.4},
    Meeting.LATE_NO: {Fault.HOST_REJECTS: 0.9, Fault.STALL_AWAITING: 0.5, Fault.DUPLICATE: 0.3},
    Meeting.TWO_PROMISES: {
        Fault.HOST_NOT_SENT: 0.5,
        Fault.HOST_SILENT: 0.4,
        Fault.ANSWERS_CLEARED: 0.8,
        Fault.PROGRAM_SWAPPED: 0.3,
    },
    Meeting.LATE_CANCEL: {Fault.CANCEL: 0.9, Fault.HOST_SILENT_DONE: 0.5, Fault.HOST_LATE: 0.2},
}


class Weather:
    """Which faults strike, and when. Each history has a climate of its own: a few faults often, most of them never.

    Few at a time, because two that would do harm together seldom meet where everything fails at once.
    """

    def __init__(self, lot: random.Random, meeting: Meeting | None = None) -> None:
        """`meeting`: this one for certain; otherwise it is drawn whether there is any, and which."""
        self.struck: Final[Counter[Fault]] = Counter()
        self.lot: Final = lot
        self.is_fair = False
        stormy = set(lot.sample(list(Fault), lot.choice((2, 4, 7))))
        self._chances = {
            fault: lot.choice(_STORMY if fault in stormy else _EVERYDAY) * _RARER.get(fault, 1.0) for fault in Fault
        }
        if meeting is None and lot.random() < _ARRANGED:
            meeting = lot.choice(tuple(Meeting))
        if meeting is not None:
            self._chances = dict.fromkeys(Fault, 0.01) | dict.fromkeys(_RARER, _CALM) | _MEETINGS[meeting]

    def strikes(self, fault: Fault) -> bool:
        """Whether `fault` happens here and now."""
        chance = self._chances[fault]
        if not chance or self.lot.random() >= chance:
            return False
        self.struck[fault] += 1
        return True

    def strikes_with(self, faults: tuple[Fault, ...]) -> Fault | None:
        """The first of `faults` that happens here and now, if any."""
        return next((fault for fault in faults if self.strikes(fault)), None)

    def clear_up(self) -> None:
        """No fault strikes any more."""
        self.is_fair = True
        self._chances = dict.fromkeys(Fault, _CALM)


class OneFault(Weather):
    """Fair weather but for one fault at one place, counted: the n-th time that anything could go wrong with it."""

    def __init__(self, lot: random.Random, fault: Fault, nth: int) -> None:
        super().__init__(lot)
        self.reached = False
        """Whether there was an n-th time."""
        self._fault = fault
        self._left = nth

    def strikes(self, fault: Fault) -> bool:
        if fault is not self._fault:
            return False
        self._left -= 1
        if self._left:
            return False
        self.reached = True
        self.struck[fault] += 1
        return True

    def clear_up(self) -> None:
        self.is_fair = True
        self._left = 0
