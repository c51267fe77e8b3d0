"""POS terminals in a process of their own: ``python -m tests.benchmarks.terminals JOB REPORT``.

Written so that it costs little beside what it measures: one socket for each terminal, kept alive, one write for each
request, and no more of HTTP than it takes to find the end of an answer. A job is a list of sales; a sale is a list of
requests that follow one another, of which the later ones may name what the first was answered (`SESSION`).
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from typing_extensions import override

SESSION: Final = "{sessionId}"
"""Stands, in a path or a body, for the `sessionId` in the sale's first answer."""
_OK: Final = 200
_REDIRECTION: Final = 300
_FEW: Final = 50
_BETWEEN_TWO: Final = 0.004
"""Seconds between two terminals' connecting."""
_HANG_UP: Final = 30.0
"""Seconds after which a terminal gives up on an answer."""


class Request(msgspec.Struct, frozen=True):
    """One call. Without a body it is a GET."""

    path: str
    body: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    host: str
    port: int
    key: str
    sales: list[list[Request]]
    terminals: int
    rate: float = 0.0
    """Sales begun each second, whether or not those before have ended; 0: each terminal begins its next at once."""
    seconds: float = 0.0
    """No sale is begun after so many seconds; 0: all of them are."""


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """One answer. `status` is 0 where none came."""

    sale: int
    call: int
    status: int
    seconds: float
    """From the moment at which the call was due: waiting for a free terminal counts as waiting for the service."""
    request_id: str
    body: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a job."""

    seconds: float
    """From the first request to the last answer."""
    heard: list[Heard]


class Terminal(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[int, str, str]] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether another request may be written."""
        return self._transport is not None and not self._transport.is_closing()

    @override
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    async def ask(self, request: bytes) -> tuple[int, str, str]:
        """Write the request; the answer's status, request id and body.

        Raises:
            OSError, TimeoutError: there is none.
        """
        if self._transport is None:
            raise ConnectionResetError
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(_HANG_UP):
            return await self._answer

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        head = bytes(self._received[:end]).decode("latin-1").lower()
        size = int(_field(head, "content-length") or 0)
        if len(self._received) < end + 4 + size:
            return
        body = bytes(self._received[end + 4 : end + 4 + size]).decode()
        self._received.clear()
        if not self._answer.done():
            self._answer.set_result((int(head[9:12]), _field(head, "x-request-id"), body))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def hang_up(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def _field(head: str, name: str) -> str:
    _, found, rest = head.partition(f"\r\n{name}: ")
    return rest.partition("\r\n")[0] if found else ""


class Shop:
    """All the terminals of one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._heard: list[Heard] = []
        self._began = 0.0
        self._next = 0

    async def open(self) -> Report:
        """Do the job."""
        terminals = []
        for _ in range(self._job.terminals):
            terminals.append(await self._connected())
            # Of many that knock at once one process takes all: the other sleeps, and each cost is another's.
            await asyncio.sleep(_BETWEEN_TWO)
        self._began = time.perf_counter()
        await asyncio.gather(*map(self._work, terminals))
        return Report(seconds=time.perf_counter() - self._began, heard=self._heard)

    async def _work(self, terminal: Terminal) -> None:
        while (turn := self._take()) is not None:
            number, due = turn
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            if not terminal.is_open:
                terminal = await self._connected()
            await self._sell(terminal, number, due)
        terminal.hang_up()

    def _take(self) -> tuple[int, float] | None:
        """The next sale and when it is due, in the order in which terminals become free."""
        job, number = self._job, self._next
        due = self._began + number / job.rate if job.rate else time.perf_counter()
        if number >= len(job.sales) or (job.seconds and due > self._began + job.seconds):
            return None
        self._next += 1
        return number, due

    async def _sell(self, terminal: Terminal, number: int, due: float) -> None:
        session = ""
        for position, request in enumerate(self._job.sales[number]):
            try:
                status, request_id, body = await terminal.ask(self._written(request, session))
            except (OSError, TimeoutError):
                terminal.hang_up()
                self._heard.append(Heard(number, position, 0, time.perf_counter() - due, "", ""))
                return
            now = time.perf_counter()
            self._heard.append(Heard(number, position, status, now - due, request_id, body))
            due = now
            if position == 0 and len(self._job.sales[number]) > 1:
                session = _session_in(body)

    def _written(self, request: Request, session: str) -> bytes:
        path, body = request.path.replace(SESSION, session), request.body.replace(SESSION, session).encode()
        job = self._job
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nhost: {job.host}\r\nauthorization: Bearer {job.key}\r\n"
        if body:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    async def _connected(self) -> Terminal:
        loop = asyncio.get_running_loop()
        _, terminal = await loop.create_connection(Terminal, self._job.host, self._job.port)
        return terminal


def _session_in(body: str) -> str:
    _, _, rest = body.partition('"sessionId":"')
    return rest.partition('"')[0]


async def run(job: Job) -> Report:
    """Do `job` in a process of its own.

    Raises:
        RuntimeError: the process ended without a report.
    """
    with tempfile.TemporaryDirectory(prefix="loyalty-terminals-") as folder:
        told = Path(folder, "report")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, _kept(job, Path(folder, "job")), str(told)
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0:
            raise RuntimeError(f"the terminals ended with {code}")
        return _read(told)


def _kept(job: Job, file: Path) -> str:
    file.write_bytes(msgspec.json.encode(job))
    return str(file)


def _read(file: Path) -> Report:
    return msgspec.json.decode(file.read_bytes(), type=Report)


def failures(report: Report) -> list[Heard]:
    """The answers that are errors, and the calls that had none."""
    return [heard for heard in report.heard if not _OK <= heard.status < _REDIRECTION]


def held(report: Report, what: str) -> Report:
    """The report, if next to nothing in it failed: a machine that is busy with other things may lose a call or two.

    Raises:
        RuntimeError: more than one in fifty failed; `what` says of which calls.
    """
    wrong = failures(report)
    if len(wrong) * _FEW > len(report.heard):
        raise RuntimeError(f"{len(wrong)} of {len(report.heard)} calls of {what} failed, e.g. {wrong[0]}")
    return report


def main(asked: Path, told: Path) -> None:
    """Do the job in one file, and leave the report in another."""
    job = msgspec.json.decode(asked.read_bytes(), type=Job)
    told.write_bytes(msgspec.json.encode(uvloop.run(Shop(job).open())))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
