import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_adapters.observability.traces import Caller, TraceContext, Work, read_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        (f"00-{TRACE}-{SPAN}-01", Caller(TRACE, SPAN, "01")),
        (f"00-{TRACE}-{SPAN}-00", Caller(TRACE, SPAN, "00")),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", Caller(TRACE, SPAN, "01")),
        (None, None),
        ("", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
    ],
)
def test_a_header_is_read_by_the_letter(header: str | None, caller: Caller | None) -> None:
    """W3C Trace Context: anything that is not well-formed begins a new trace, and is no error."""
    assert caller == read_traceparent(header)


@given(st.text(alphabet="0123456789abcdef-fF \n", max_size=80))
def test_whatever_is_read_can_be_written(header: str) -> None:
    """No header raises, and one that is accepted names valid ids."""
    caller = read_traceparent(header)
    if caller is not None:
        work = Work(caller.trace_id, caller.flags, span_id=caller.span_id)
        assert caller == read_traceparent(work.traceparent)


def test_a_caller_is_joined() -> None:
    """Its trace goes on with a span of ours, and its choice to record or not is handed on as it was."""
    for flags in ("00", "01"):
        work = TraceContext().begin(f"00-{TRACE}-{SPAN}-{flags}")
        assert (TRACE, flags) == (work.trace_id, work.flags)
        assert SPAN != work.span_id
        assert {"traceparent": f"00-{TRACE}-{work.span_id}-{flags}"} == TraceContext().headers()
