"""Drives a real PDI simulator process from tests: start, steer, kill, read its books."""

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

CLIENT_ID: Final = "pos-loyalty"
CLIENT_SECRET: Final = "a-secret-for-tests"
_START_SECONDS: Final = 20
_STOP_SECONDS: Final = 10


class Pdi:
    """One simulator process on one data folder; `async with Pdi(folder) as pdi` starts and stops it.

    A restart keeps the port and the folder, so a client under test sees the same PDI come back. `file_size_limit`
    (bytes) makes the process meet a full disk. It dies with the thread that started it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        file_size_limit: int | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = port
        self.client_id = client_id
        self.client_secret = client_secret
        self.file_size_limit = file_size_limit
        self._options = tuple(options)
        self._environment = dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- the process

    @property
    def url(self) -> str:
        """The base address, what `PDI_API_URL` takes."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_url(self) -> str:
        """The token endpoint, what `PDI_TOKEN_URL` takes."""
        return f"{self.url}/oauth/token"

    @property
    def pid(self) -> int:
        """The simulator's process id."""
        return self._running().pid

    async def start(self) -> None:
        """Starts the process and waits until it listens; a failure carries what it wrote to stderr."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        log = self.data_dir / "stderr.log"
        arguments = ["--port", str(self.port), "--data", str(self.data_dir), "--client-id", self.client_id]
        arguments += ["--die-with-parent", str(os.getpid()), *self._options]
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "loyalty_adapters.pdi_simulator",
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env=self._child_environment(),
            )
        if self.file_size_limit is not None:
            # As full as a disk can be, for this process alone.
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (self.file_size_limit, resource.RLIM_INFINITY))
        self._process = process
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        if not line:
            code = await process.wait()
            self._process = None
            raise RuntimeError(f"The PDI simulator ended with {code}: {log.read_text(encoding='utf-8')}")
        self.port = int(line.decode().rsplit(":", 1)[1])

    async def stop(self) -> int:
        """Asks the process to end (SIGTERM) and returns its exit code; 0 too where it does not run."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """`kill -9`; `start` brings it back on the same port with the same books."""
        await self._end(signal.SIGKILL)

    async def ended(self) -> int:
        """Waits for the process to end by itself; its exit code."""
        process = self._running()
        self._process = None
        await self._hang_up()
        return await asyncio.wait_for(process.wait(), _STOP_SECONDS)

    async def restart(self) -> None:
        """`kill -9` and start."""
        await self.kill()
        await self.start()

    def pause(self) -> None:
        """SIGSTOP: connections are accepted by the kernel and nothing is ever answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._running().send_signal(signal.SIGCONT)

    # --- the control API

    async def faults(self, mode: str = "ok", **rule: Any) -> dict[str, Any]:
        """Puts one rule in force instead of all others: `faults("latency", latencyMs=50, endpoints=["finalize"])`."""
        return await self.put_faults([{"mode": mode, **rule}])

    async def put_faults(self, rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Puts several rules in force; the first that takes a call has it. An empty list heals everything."""
        answer: dict[str, Any] = await self.control("PUT", "/_sim/faults", list(rules))
        return answer

    async def fired(self, mode: str) -> int:
        """How often a mode really happened since the start or the last reset."""
        state = await self.control("GET", "/_sim/faults")
        return int(state["fired"].get(mode, 0))

    async def faults_at_work(self) -> int:
        """Faults that still have something to do, a late commit for instance."""
        state = await self.control("GET", "/_sim/faults")
        return int(state["pending"])

    async def until_at_work(self, faults: int, seconds: float = 10) -> None:
        """Waits until exactly so many faults have something left to do; with 0, until the last late commit is in."""
        deadline = time.monotonic() + seconds
        while (at_work := await self.faults_at_work()) != faults:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{at_work} faults are at work, not {faults}.")
            await asyncio.sleep(0.01)

    async def ledger(self, **filters: str) -> list[dict[str, Any]]:
        """Every commit, oldest first; `transactionId=`, `pdiSessionId=`, ... narrow it."""
        entries: list[dict[str, Any]] = await self.control("GET", "/_sim/ledger", query=filters)
        return entries

    async def tamper(self, action: str, **target: Any) -> list[dict[str, Any]]:
        """Falsifies the books: `tamper("lose", transactionId="T1")`, `tamper("change", number=3, points=7)`."""
        entries: list[dict[str, Any]] = await self.control("POST", "/_sim/ledger/tamper", {"action": action, **target})
        return entries

    async def stats(self, recent: int = 0) -> dict[str, Any]:
        """Calls by endpoint, their statuses, what is in flight, and the last `recent` calls."""
        counters: dict[str, Any] = await self.control("GET", "/_sim/stats", query={"recent": str(recent)})
        return counters

    async def calls(self, endpoint: str) -> int:
        """How many calls reached one endpoint (`token`, `identify`, `calculateRewards`, `finalize`, ...)."""
        return int((await self.stats())["calls"].get(endpoint, 0))

    async def customer(self, customer_id: str) -> dict[str, Any]:
        """One account; KeyError where PDI has not met it."""
        accounts: list[dict[str, Any]] = await self.control("GET", "/_sim/customers")
        return {account["customerId"]: account for account in accounts}[customer_id]

    async def put_customer(self, customer_id: str, **account: Any) -> None:
        """Creates or changes an account: `name`, `tier`, `points`, `suspended`."""
        await self.control("POST", "/_sim/customers", {"customerId": customer_id, **account})

    async def program(self, **rates: Any) -> None:
        """Changes PDI's own program: `pointsPerUnit`, `redeemPointsPerUnit`, `booksOwnFigure`; none: the defaults."""
        await self.control("PUT", "/_sim/program", rates)

    async def drop_sessions(self, action: str, pdi_session_id: str | None = None) -> int:
        """Makes PDI `forget` or `expire` one session, or all that have nothing booked; how many it were."""
        body = {"action": action} | ({} if pdi_session_id is None else {"pdiSessionId": pdi_session_id})
        return int((await self.control("POST", "/_sim/sessions", body))["sessions"])

    async def revoke_tokens(self) -> None:
        """Makes every token issued so far a bad one."""
        await self.control("POST", "/_sim/tokens/revoke")

    async def reset(self) -> None:
        """Empty books, seeded customers, no faults, counters at zero."""
        await self.control("POST", "/_sim/reset")

    async def control(self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None) -> Any:
        """One control call, decoded; RuntimeError with PDI's words where it is refused."""
        async with self._client().request(method, self.url + path, json=body, params=query) as response:
            answer = await response.json()
            if response.status != 200:
                raise RuntimeError(f"{method} {path}: {response.status} {answer}")
            return answer

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # A connection each: one kept alive would break whenever the simulator is killed.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        return self._session

    async def _hang_up(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("The PDI simulator is not running.")
        return self._process

    async def _end(self, number: signal.Signals) -> int:
        await self._hang_up()
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        try:
            return await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise

    def _child_environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PDI_")}
        kept.pop("NODE_ENV", None)
        return kept | {"APP_ENV": "test", "PDI_CLIENT_SECRET": self.client_secret} | self._environment
