import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loyalty_web.watchdog import EXIT_CODE


@contextmanager
def _process(seconds: float, how: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.observability.stalling_process", str(seconds), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "running True\n" == process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_stalled_loop_ends_the_process() -> None:
    """With the stacks of all threads on standard error, so that whoever reads them sees where it stood."""
    with _process(0.5, "sleep") as process:
        _, said = process.communicate(timeout=20)
    assert EXIT_CODE == process.returncode
    assert said.startswith("The event loop has not moved for 0.5 seconds; ending.")
    assert "stalling_process.py" in said
    assert "watchdog" in said


def test_native_code_that_holds_the_interpreter_does_not_escape() -> None:
    """No thread of Python's can run then; the timer that needs none ends it."""
    with _process(0.2, "native") as process:
        _, said = process.communicate(timeout=30)
    assert 1 == process.returncode
    assert "Timeout" in said
    assert "stalling_process.py" in said


def test_a_hiccup_is_forgiven() -> None:
    """Half the time is not the whole of it, and the lag was told."""
    with _process(1.0, "short") as process:
        said, errors = process.communicate(timeout=20)
    assert (0, "ended True\n", "") == (process.returncode, said, errors)


def test_a_suspended_process_goes_on() -> None:
    """Stopped for longer than the limit and continued: its time stood still as well, so nothing has stalled."""
    with _process(0.8, "suspended") as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.2)  # longer than the limit, shorter than twice: that is what is tried
        process.send_signal(signal.SIGCONT)
        time.sleep(0.4)  # a watchdog that counts by the clock would have ended it by now
        said, errors = process.communicate("\n", timeout=20)
    assert (0, "ended True\n", "") == (process.returncode, said, errors)
