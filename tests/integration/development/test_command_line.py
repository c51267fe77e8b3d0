import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from loyalty_web.cli import main
from tests.processes import listening


def test_help_imports_no_command() -> None:
    """`loyalty --help` is quick because it loads nothing but click."""
    script = """
import sys
from loyalty_web.cli import main
try:
    main(["--help"])
finally:
    print([name for name in ("litestar", "psycopg", "aiohttp", "asyncio", "loyalty_core") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "  dev        Run everything on this machine" in done.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    """A slip of the fingers is told, with exit code 2."""
    result = CliRunner().invoke(main, ["sevre"])
    assert result.exit_code == 2
    assert "No such command 'sevre'" in result.output


def test_dev_reads_its_ports_from_the_environment(tmp_path: Path) -> None:
    """`PORT` moves the service; a taken one ends the command with one sentence."""
    home = tmp_path / "home"
    with listening(0) as port:
        result = CliRunner().invoke(main, ["dev"], env={"PORT": str(port), "LOYALTY_HOME": str(home)})
    assert result.exit_code == 1
    assert f"Error: Port {port} for the service is taken by another program" in result.output
    assert not home.exists()


def test_dev_refuses_what_is_no_port() -> None:
    """A port that cannot be is a usage error that names the variable."""
    result = CliRunner().invoke(main, ["dev"], env={"PORT": "70000"})
    assert result.exit_code == 2
    assert "PORT" in result.output
