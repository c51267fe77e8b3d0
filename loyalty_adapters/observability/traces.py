"""The trace that the current work belongs to, by the rules of W3C Trace Context."""

import random
import re
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, NamedTuple, TypeAlias

from opentelemetry.trace import Span, Status, StatusCode

_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_NOT_SAMPLED: Final = "00"
_SAMPLED: Final = 1

Facts: TypeAlias = dict[str, str | int | float | bool | None]


class Caller(NamedTuple):
    """Where a caller stands in its trace."""

    trace_id: str
    span_id: str
    flags: str

    @property
    def is_sampled(self) -> bool:
        """Whether the caller records its trace, and so wants it recorded by others."""
        return bool(int(self.flags, 16) & _SAMPLED)


class Work:
    """Work for one request or one delivery: its trace, its own span in it, and what became known of it on the way."""

    __slots__ = ("facts", "flags", "span", "span_id", "trace_id")

    def __init__(
        self,
        trace_id: str,
        flags: str,
        *,
        span_id: str | None = None,
        span: Span | None = None,
        facts: Facts | None = None,
    ) -> None:
        self.trace_id: Final = trace_id
        self.flags: Final = flags
        self.span_id: Final = _new_id(64) if span_id is None else span_id
        self.span: Final = span
        """What is recorded of it; None where nothing is."""
        self.facts: Final[Facts] = {} if facts is None else facts

    @property
    def traceparent(self) -> str:
        """Its place in the trace, as the header of that name carries it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


_current: Final[ContextVar[Work | None]] = ContextVar("loyalty_work", default=None)


def _new_id(bits: int) -> str:
    """An id nobody has. A name and no secret, so that the operating system need not be asked for it."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"


def read_traceparent(header: str | None) -> Caller | None:
    """The caller's place in its trace, or None where the header is missing or not well-formed."""
    found = None if header is None else _TRACEPARENT.fullmatch(header)
    if found is None or (found["version"] == "00" and found["more"] is not None):
        return None
    return Caller(found["trace"], found["span"], found["flags"])


class Entered:
    """Work that is the current one for as long as the block runs. Of an error, only its kind is recorded."""

    __slots__ = ("_token", "_traces", "_work")

    def __init__(self, traces: "TraceContext", work: Work) -> None:
        self._traces = traces
        self._work = work
        self._token: Token[Work | None] | None = None

    def __enter__(self) -> Work:
        self._token = self._traces.enter(self._work)
        return self._work

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            self._traces.leave(self._token)
        span = self._work.span
        if span is not None:
            if kind is not None:
                span.set_attribute("error.type", kind.__name__)
                span.set_status(Status(StatusCode.ERROR))
            span.end()


class TraceContext:
    """Begins traces, or joins those of callers. Tasks that are started for some work inherit it."""

    def begin(self, traceparent: str | None = None) -> Work:
        """Begin some work on this task: in the caller's trace where `traceparent` is well-formed, else in a new one."""
        caller = read_traceparent(traceparent)
        work = Work(_new_id(128), _NOT_SAMPLED) if caller is None else Work(caller.trace_id, caller.flags)
        self.enter(work)
        return work

    def current(self) -> Work | None:
        """The work this task does, if it does any for somebody."""
        return _current.get()

    def answered(self, work: Work, method: str, route: str, status: int) -> None:
        """The request that `work` was begun for is over. `route` is a template, never the path a stranger chose."""

    def enter(self, work: Work) -> Token[Work | None]:
        """This task does `work` from now on; the token leads back to what it did before."""
        return _current.set(work)

    def leave(self, token: Token[Work | None]) -> None:
        """Back to the work before."""
        _current.reset(token)

    def root(self, name: str, *, origin: str | None = None) -> AbstractContextManager[Work]:  # noqa: ARG002 - for those who record
        """Work that no caller waits for, as a trace of its own, for as long as the block runs.

        `name` says what is done; `origin` is the `traceparent` of the work that caused it.
        """
        return Entered(self, Work(_new_id(128), _NOT_SAMPLED))

    def headers(self) -> dict[str, str]:
        """The headers that carry the trace on to another service."""
        work = _current.get()
        return {} if work is None else {"traceparent": work.traceparent}
