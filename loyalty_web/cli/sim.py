import os
import sys

import click


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sim(arguments: tuple[str, ...]) -> None:
    """Run a PDI simulator in this process's place; `loyalty sim --help` lists its options."""
    command = [sys.executable, "-m", "loyalty_adapters.pdi_simulator", *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - our own module, no shell
