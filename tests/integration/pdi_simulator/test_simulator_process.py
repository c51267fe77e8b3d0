"""Starting, refusing to start, and ending."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.integration.pdi_simulator.caller import Caller
from tests.pdi import Pdi
from tests.processes import alive, soon

COMMAND = [sys.executable, "-m", "loyalty_adapters.pdi_simulator"]


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Runs the simulator with nothing in the environment but what is given; exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("name", ["APP_ENV", "NODE_ENV"])
async def test_refuses_production(tmp_path: Path, name: str) -> None:
    """One sentence, exit code 2, nothing written."""
    data = tmp_path / "data"
    code, out, err = await run("--data", str(data), **{name: " Production"})
    assert (2, "", f"The PDI simulator refuses to start because {name} says production.\n") == (code, out, err)
    assert not data.exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "words"),
    [
        ((), {"PDI_SIM_PORT": "many"}, 2, "PDI_SIM_PORT is not a number."),
        ((), {"PDI_SIM_FSYNC": "perhaps"}, 2, "PDI_SIM_FSYNC is neither true nor false."),
        ((), {"PDI_CLIENT_SECRET_FILE": "/nowhere"}, 2, "PDI_CLIENT_SECRET_FILE names a file that cannot be read."),
        (("--port", "70000"), {}, 2, "The port lies between 0 and 65535."),
        (("--token-ttl", "0"), {}, 2, "Tokens and sessions live longer"),
        (("--die-with-parent", "1"), {}, 2, "The parent process has ended."),
        (("--host", "203.0.113.1"), {}, 1, "The PDI simulator cannot run"),
    ],
)
async def test_says_why_it_does_not_start(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], code: int, words: str
) -> None:
    """Each bad setting has its sentence; nothing reaches stdout."""
    ended, out, err = await run("--data", str(tmp_path), *arguments, **environment)
    assert (code, "") == (ended, out)
    assert words in err
    assert len(err.strip().splitlines()) == 1


async def test_one_simulator_per_folder(tmp_path: Path) -> None:
    """A second one on the same books refuses to start."""
    async with Pdi(tmp_path):
        code, _, err = await run("--data", str(tmp_path), "--port", "0")
    assert code == 1
    assert "in use by another PDI simulator" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_ends_with_zero_when_asked(tmp_path: Path, number: signal.Signals) -> None:
    """Both signals end it in order, also while a call hangs in a fault."""
    pdi = Pdi(tmp_path)
    await pdi.start()
    async with Caller(pdi) as caller:
        await pdi.faults("late_success", endpoints=["identify"])
        hanging = asyncio.create_task(caller.identify("T1"))
        await pdi.until_at_work(1)
        os.kill(pdi.pid, number)
        assert await pdi.ended() == 0
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await hanging
    assert (tmp_path / "stderr.log").read_text() == ""


async def test_dies_with_its_parent(tmp_path: Path) -> None:
    """When the process that started it is killed, it is gone too."""
    script = (
        "import subprocess, sys, os\n"
        "child = subprocess.Popen([sys.executable, '-m', 'loyalty_adapters.pdi_simulator', '--port', '0',"
        " '--data', sys.argv[1], '--die-with-parent', str(os.getpid())], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 20))
    assert alive(pid)
    parent.kill()
    await parent.wait()
    await soon(lambda: not alive(pid), "the simulator ends after its parent")


async def test_settings_from_the_environment(tmp_path: Path) -> None:
    """Client, secret file and port of the environment are the ones in force, trailing newline or not."""
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    environment = {"PDI_CLIENT_SECRET": "", "PDI_CLIENT_SECRET_FILE": str(secret), "PDI_SIM_FSYNC": "false"}
    pdi = Pdi(tmp_path / "data", client_secret="from-a-file", environment=environment)
    async with pdi, Caller(pdi) as caller:
        assert (await caller.identify("T1")).status == 200


async def test_restart_keeps_the_port(tmp_path: Path) -> None:
    """The client's address for PDI stays good, though the port was free to choose."""
    async with Pdi(tmp_path) as pdi:
        port = pdi.port
        await pdi.restart()
        assert port == pdi.port
        assert (await pdi.control("GET", "/_sim/health"))["status"] == "ok"
