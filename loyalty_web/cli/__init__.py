"""The command line: `loyalty`. A command's module is imported when that command is called, never before."""

import importlib
from typing import Final

import click

_COMMANDS: Final = {
    "serve": "Answer POS terminals over HTTP.",
    "worker": "Deliver what PDI has not taken yet; run the jobs that are due.",
    "migrate": "Bring the database up to date.",
    "dev": "Run everything on this machine: servers, PDI simulator, web, worker.",
    "keys": "Create, list, rotate and revoke API keys.",
    "sessions": "Look up sessions; decide what is parked.",
    "customers": "Forget a customer.",
    "jobs": "See how the scheduled jobs are doing; run one now.",
    "reconcile": "Show where PDI's books and ours differ.",
    "program": "Check and compare reward programs.",
    "quote": "Calculate the points of a basket, offline.",
    "sim": "Run a PDI simulator.",
}
"""Each command's line in the help; it lives in `loyalty_web.cli.<name>` under its own name."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"loyalty_web.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - a slip in this table, not in what anybody typed
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="loyalty-service")
def main() -> None:
    """Real-time loyalty between POS terminals and the PDI host."""
