import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from loyalty_adapters.embedded import EmbeddedServers, EmbeddedServersError, tethered
from loyalty_web.development.home import DevelopmentHome
from loyalty_web.development.ports import require_free
from loyalty_web.development.program import DevelopmentError
from loyalty_web.development.stack import Programs, Stack, own_programs
from loyalty_web.development.supervisor import Supervisor
from loyalty_web.development.terminal import Terminal

PORT: Final = click.IntRange(1, 65535)
FOLDER: Final = click.Path(path_type=Path, file_okay=False)


@click.command(context_settings={"show_default": True})
@click.option("--port", envvar="PORT", type=PORT, default=3000, show_envvar=True, help="Where the service listens.")
@click.option(
    "--pdi-port", envvar="PDI_PORT", type=PORT, default=4010, show_envvar=True, help="Where the PDI simulator listens."
)
@click.option(
    "--home",
    envvar="LOYALTY_HOME",
    type=FOLDER,
    default=".loyalty",
    show_envvar=True,
    help="The folder of all its state.",
)
@click.option("--with-parent", is_flag=True, help="Stop when the process that started this one has ended.")
def dev(port: int, pdi_port: int, home: Path, with_parent: bool) -> None:
    """Run everything on this machine: PostgreSQL, Valkey, a PDI simulator, the web and a worker.

    Ctrl-C stops all of it; what was stored is there at the next start.
    """
    try:
        run_stack(home, port=port, pdi_port=pdi_port, with_parent=with_parent)
    except (DevelopmentError, EmbeddedServersError) as error:
        raise click.ClickException(str(error)) from error


def run_stack(
    home: Path, *, port: int, pdi_port: int, with_parent: bool = False,
    programs: Callable[[DevelopmentHome, int], Programs] = own_programs,
) -> None:  # fmt: skip
    """Run the stack until it is asked to stop. Raises `DevelopmentError` or `EmbeddedServersError` where it cannot."""
    parent = os.getppid()
    terminal = Terminal(sys.stdout)
    if port == pdi_port:
        raise DevelopmentError(f"PORT and PDI_PORT are both {port}: choose another for one of them.")
    require_free(port, "PORT", "the service")
    require_free(pdi_port, "PDI_PORT", "the PDI simulator")
    began = time.monotonic()
    servers = EmbeddedServers(home)
    with servers as addresses:
        terminal.say(f"PostgreSQL and Valkey: ready in {time.monotonic() - began:.1f} s, data in {home.absolute()}")
        folder = DevelopmentHome(home)
        stack = Stack(
            folder, programs(folder, pdi_port), Supervisor(folder.logs, terminal, tethered), terminal,
            port=port, pdi_port=pdi_port, database_url=addresses.database_url, redis_url=addresses.redis_url,
        )  # fmt: skip

        def watch() -> None:
            for name in servers.revive():
                terminal.say(f"{name} had ended and was started again")
            if with_parent and os.getppid() != parent:
                raise DevelopmentError("The process that started this one has ended.")

        asyncio.run(stack.run(watch))
    terminal.say(f"Stopped; the data stays in {home.absolute()}.")
