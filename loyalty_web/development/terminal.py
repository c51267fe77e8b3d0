import json
from collections import deque
from pathlib import Path
from typing import IO, Any, Final

_WORTH_SHOWING: Final = {"warn", "warning", "error", "critical", "fatal"}
_SAID_ALREADY: Final = {"timestamp", "level", "service", "message"}
_LOG_LIMIT: Final = 20 * 1024 * 1024
_LONGEST_LINE: Final = 64 * 1024
_REMEMBERED: Final = 20


class Terminal:
    """The developer's terminal. Goes quiet when nobody can read it any more, for the stack must still stop in order."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream: IO[str] | None = stream

    def say(self, line: str) -> None:
        """Write one line, at once."""
        if self._stream is None:
            return
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except OSError:  # the window was closed, or the pipe's reader has ended
            self._stream = None


class Output:
    """What one program writes: all of it to a file, what a developer wants to see to the terminal as well."""

    def __init__(self, name: str, folder: Path, terminal: Terminal, *, echo: bool) -> None:
        """The file is `<folder>/<name>.log`; it is begun anew at 20 MiB, the one before is kept as `.log.1`."""
        self.name = name
        self.path = folder / f"{name}.log"
        self._terminal = terminal
        self._echo = echo
        self._unfinished = b""
        self._last: deque[str] = deque(maxlen=_REMEMBERED)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._file = self.path.open("ab")

    def feed(self, chunk: bytes) -> None:
        """Take in what the program wrote, in whatever pieces it comes."""
        *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._unfinished) > _LONGEST_LINE:
            self.finish_line()

    def finish_line(self) -> None:
        """Treat an unfinished line as whole: the program has ended, or the line has no end."""
        if self._unfinished:
            self._take(self._unfinished)
            self._unfinished = b""

    def last_lines(self) -> list[str]:
        """The end of what was written, for telling why a program died."""
        return list(self._last)

    def close(self) -> None:
        """Finish the file."""
        self.finish_line()
        self._file.close()

    def _take(self, line: bytes) -> None:
        if self._file.tell() > _LOG_LIMIT:
            self._file.close()
            self.path.replace(self.path.with_suffix(".log.1"))
            self._file = self.path.open("ab")
        self._file.write(line + b"\n")
        self._file.flush()
        text = line.decode(errors="replace").rstrip()
        self._last.append(text)
        shown = for_terminal(text) if self._echo else None
        if shown is not None:
            self._terminal.say(f"{self.name:<7} | {shown}")


def for_terminal(line: str) -> str | None:
    """How a line of a log looks on the terminal, or None where it is not worth showing.

    Structured lines are shown from `warn` upwards, with their message first. Anything else is a program speaking
    outside its log, a traceback for instance, and is always worth showing.
    """
    record = _structured(line)
    if record is None:
        return line or None
    level = str(record.get("level", "")).lower()
    if level not in _WORTH_SHOWING:
        return None
    details = " ".join(f"{key}={value}" for key, value in record.items() if key not in _SAID_ALREADY)
    return f"{level.upper()} {record.get('message', '')} {details}".rstrip()


def _structured(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "level" in record else None
