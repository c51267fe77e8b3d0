import io
import os
from pathlib import Path

import pytest

from loyalty_web.development import terminal
from loyalty_web.development.terminal import Output, Terminal, for_terminal


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "INFO", "message": "Session finalized"}', None),
        ('{"level": "debug", "message": "x"}', None),
        ('{"timestamp": "t", "level": "WARN", "service": "s", "message": "PDI away", "traceId": "abc"}',
         "WARN PDI away traceId=abc"),
        ('{"level": "error", "message": "lost"}', "ERROR lost"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ('{"not": "a log line"}', '{"not": "a log line"}'),
        ("{broken", "{broken"),
        ("", None),
    ],
)  # fmt: skip
def test_what_a_developer_wants_to_see(line: str, shown: str | None) -> None:
    """Structured lines from `warn` upwards, and whatever a program says outside its log."""
    assert shown == for_terminal(line)


def test_pieces_become_lines(tmp_path: Path) -> None:
    """However the bytes arrive, the file and the terminal hold whole lines; an unfinished one is kept at the end."""
    screen = io.StringIO()
    output = Output("web", tmp_path, Terminal(screen), echo=True)
    for piece in (b"one", b" line\ntwo", b"\nunfin", b"ished"):
        output.feed(piece)
    output.close()
    assert screen.getvalue() == "web     | one line\nweb     | two\nweb     | unfinished\n"
    assert (tmp_path / "web.log").read_text() == "one line\ntwo\nunfinished\n"
    assert output.last_lines() == ["one line", "two", "unfinished"]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    """What never ends is cut into lines."""
    output = Output("web", tmp_path, Terminal(io.StringIO()), echo=False)
    for _ in range(100):
        output.feed(b"x" * 10_000)
    output.close()
    lines = (tmp_path / "web.log").read_bytes().split(b"\n")
    assert max(map(len, lines)) < 100_000
    assert sum(map(len, lines)) == 1_000_000


def test_a_long_log_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its limit the file is set aside, and nothing is lost between the two."""
    monkeypatch.setattr(terminal, "_LOG_LIMIT", 100)
    output = Output("web", tmp_path, Terminal(io.StringIO()), echo=False)
    output.feed(b"x" * 150 + b"\n")
    output.feed(b"y\n")
    output.close()
    assert (tmp_path / "web.log.1").read_text() == "x" * 150 + "\n"
    assert (tmp_path / "web.log").read_text() == "y\n"


def test_a_terminal_that_is_gone_is_no_reason_to_fail() -> None:
    """When the reader has ended, speaking to it does nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", buffering=1)
    speaker = Terminal(stream)
    speaker.say("nobody hears this")
    speaker.say("nor this")
    with pytest.raises(BrokenPipeError):
        stream.close()
