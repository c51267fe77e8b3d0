import asyncio
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from loyalty_web.development.banner import Addresses, banner
from loyalty_web.development.home import DevelopmentHome
from loyalty_web.development.ports import LOOPBACK, status_of
from loyalty_web.development.program import DevelopmentError, Program, loyalty
from loyalty_web.development.supervisor import Supervisor
from loyalty_web.development.terminal import Terminal

PDI_CLIENT_ID: Final = "loyalty-dev"
_DEMO_KEY: Final = "demo-key"
_WRITTEN_KEY: Final = re.compile(r"\blk_[0-9a-zA-Z]+_[0-9a-zA-Z_-]+")
_WATCH: Final = 0.5  # seconds between two looks at the servers and the parent
_NOT_INHERITED: Final = ("NODE_ENV", "PDI_TOKEN_URL")
"""Would lead the programs away from this stack; so would a `NAME_FILE` of anything the stack itself gives."""


@dataclass(frozen=True, slots=True)
class Programs:
    """What the stack runs. The tests put others in their place."""

    simulator: tuple[str, ...]
    migrate: tuple[str, ...]
    create_key: tuple[str, ...]
    serve: tuple[str, ...]
    work: tuple[str, ...]


def own_programs(home: DevelopmentHome, pdi_port: int) -> Programs:
    """The service's own commands, and the simulator in PDI's place."""
    simulator = (sys.executable, "-m", "loyalty_adapters.pdi_simulator", "--host", LOOPBACK, "--port", str(pdi_port))
    return Programs(
        simulator=(*simulator, "--data", str(home.path / "pdi")),
        migrate=loyalty("migrate"),
        create_key=loyalty("keys", "create", "--client", "demo", "--channels", "POS-*", "--scopes", "pos,ops"),
        serve=loyalty("serve"),
        work=loyalty("worker"),
    )


class Stack:
    """The service with all it needs, on one machine, from the first migration to an orderly end."""

    def __init__(
        self, home: DevelopmentHome, programs: Programs, supervisor: Supervisor, terminal: Terminal, *,
        port: int, pdi_port: int, database_url: str, redis_url: str,
    ) -> None:  # fmt: skip
        """Nothing is started before `run`; the database and the cache run already."""
        self._home = home
        self._programs = programs
        self._supervisor = supervisor
        self._terminal = terminal
        self._port = port
        self._pdi_port = pdi_port
        self._database_url = database_url
        self._redis_url = redis_url

    async def run(self, watch: Callable[[], None]) -> None:
        """Start everything, and keep it running until SIGINT, SIGTERM or SIGHUP; then stop it in order.

        `watch` is called twice a second; what it raises ends the stack. Raises `DevelopmentError` where the stack
        cannot run. A second signal ends the programs without waiting for them.
        """
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, asked)
        life = asyncio.create_task(self._live(watch))
        end = asyncio.create_task(asked.wait())
        try:
            await asyncio.wait({life, end}, return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                await life
        finally:
            end.cancel()
            life.cancel()
            await asyncio.wait({life})
            await self._supervisor.stop()

    def _on_signal(self, asked: asyncio.Event) -> None:
        if asked.is_set():
            self._supervisor.kill()
        else:
            self._terminal.say("Stopping ...")
            asked.set()

    async def _live(self, watch: Callable[[], None]) -> None:
        self._home.unpublish()
        environment = self._environment()
        await asyncio.gather(self._start_simulator(environment), self._migrate(environment))
        key = self._home.read(_DEMO_KEY) or await self._make_key(environment)
        # The worker first, so that it is stopped after the web, which may still hand it work.
        self._supervisor.keep(Program("worker", self._programs.work, environment))
        self._supervisor.keep(Program("web", self._programs.serve, environment))
        await self._supervisor.wait_until("web", self._answers(self._port, "/health"))
        key = await self._known(key, environment)
        addresses = Addresses(
            service=f"http://{LOOPBACK}:{self._port}", pdi=f"http://{LOOPBACK}:{self._pdi_port}",
            database=self._database_url, redis=self._redis_url, api_key=key,
        )  # fmt: skip
        self._home.publish(addresses.as_environment(), self._settings())
        self._terminal.say(banner(addresses, self._home))
        while True:
            await asyncio.sleep(_WATCH)
            watch()

    async def _start_simulator(self, environment: Mapping[str, str]) -> None:
        self._supervisor.keep(Program("pdi", self._programs.simulator, environment, echo=False))
        await self._supervisor.wait_until("pdi", self._answers(self._pdi_port, "/_sim/faults"))
        self._terminal.say(f"PDI simulator: http://{LOOPBACK}:{self._pdi_port}")

    async def _migrate(self, environment: Mapping[str, str]) -> None:
        await self._supervisor.run(Program("migrate", self._programs.migrate, environment))
        self._terminal.say("Database: migrated")

    async def _make_key(self, environment: Mapping[str, str]) -> str:
        written = await self._supervisor.run(Program("keys", self._programs.create_key, environment))
        found = _WRITTEN_KEY.search(written)
        if found is None:
            raise DevelopmentError(f"Making the demo key wrote no key: see {self._home.logs / 'keys.log'}.")
        self._home.write(_DEMO_KEY, found[0])
        self._terminal.say("Demo key: made")
        return found[0]

    async def _known(self, key: str, environment: Mapping[str, str]) -> str:
        """The key if the service knows it; a new one where the database was emptied since."""
        status = await status_of(self._port, "/sessions", f"Authorization: Bearer {key}\r\n")
        return await self._make_key(environment) if status == 401 else key

    def _answers(self, port: int, path: str) -> Callable[[], Awaitable[bool]]:
        async def ready() -> bool:
            return await status_of(port, path) == 200

        return ready

    def _environment(self) -> dict[str, str]:
        given = self._settings() | {
            "PYTHONUNBUFFERED": "1",
            "PROMETHEUS_MULTIPROC_DIR": str(self._home.path / "metrics"),  # web and worker count together
            "WEB_WORKERS": "1",  # web processes of a killed web process would be nobody's
        }
        left_out = {*_NOT_INHERITED, *(f"{name}_FILE" for name in given)}
        return {name: value for name, value in os.environ.items() if name not in left_out} | given

    def _settings(self) -> dict[str, str]:
        """What leads the service, and its commands, to this stack."""
        return {
            "APP_ENV": "development",
            "HOST": LOOPBACK,
            "PORT": str(self._port),
            "DATABASE_URL": self._database_url,
            "REDIS_URL": self._redis_url,
            "PDI_API_URL": f"http://{LOOPBACK}:{self._pdi_port}",
            "PDI_CLIENT_ID": PDI_CLIENT_ID,
            "PDI_CLIENT_SECRET": self._home.secret("pdi-client-secret"),
            "API_KEY_PEPPER": self._home.secret("api-key-pepper"),
        }
