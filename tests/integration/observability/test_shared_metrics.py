"""Several real processes count in one folder; this one reads it in a process of its own, as a scrape does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from loyalty_adapters.observability.shared_values import VARIABLE, SharedFolder, clear_shared_metrics

REQUESTS: Final = 'loyalty_http_requests_total{method="POST",route="/finalize",status="2xx"}'
SECONDS: Final = 'loyalty_http_request_duration_seconds_bucket{le="0.025",route="/finalize"}'
IN_FLIGHT: Final = "loyalty_pdi_calls_in_flight"
_READER: Final = """
import sys
from loyalty_adapters.observability.exposition import MetricsRegistry
registry = MetricsRegistry.from_environment()
for _ in sys.stdin:
    sys.stdout.write(registry.expose().body.decode() + "# EOF\\n")
    sys.stdout.flush()
"""


class Counter:
    """A counting process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def count(self, times: int = 1) -> None:
        for _ in range(times):
            assert int(self.ask())

    def ask(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Folder:
    """A folder, and whoever counts in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._started: list[subprocess.Popen[str]] = []
        self._reader: subprocess.Popen[str] | None = None

    def start(self, gauge: int = 0) -> Counter:
        counter = Counter(self._run("-m", "tests.integration.observability.counting_process", str(gauge)))
        counter.count()
        return counter

    def scrape(self) -> dict[str, float]:
        if self._reader is None:
            self._reader = self._run("-c", _READER)
        reader = self._reader
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
        samples = {}
        while (line := reader.stdout.readline()) != "# EOF\n":
            assert line
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()

    def _run(self, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={VARIABLE: str(self.path), "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process


@contextmanager
def _folder(path: Path) -> Iterator[Folder]:
    folder = Folder(path)
    try:
        yield folder
    finally:
        folder.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with _folder(tmp_path / "metrics") as made:
        yield made


def test_a_scrape_tells_the_sum(folder: Folder) -> None:
    """Counters, buckets and gauges of two processes are added up, whoever is asked."""
    first, second = folder.start(gauge=2), folder.start(gauge=3)
    first.count(4)
    second.count(5)
    samples = folder.scrape()
    assert (11, 11, 5) == (samples[REQUESTS], samples[SECONDS], samples[IN_FLIGHT])


def test_a_counter_read_twice_never_goes_back(folder: Folder) -> None:
    """Processes are killed and started again between the scrapes: counters only grow, gauges forget the dead."""
    seen = 0.0
    for _ in range(4):
        first, second = folder.start(gauge=1), folder.start(gauge=1)
        first.count(3)
        first.kill()
        samples = folder.scrape()
        assert samples[REQUESTS] >= seen + 5
        assert 1 == samples[IN_FLIGHT]
        seen = samples[REQUESTS]
        second.kill()
        samples = folder.scrape()
        assert seen == samples[REQUESTS]
        assert IN_FLIGHT not in samples
    assert 20 == seen


def test_files_do_not_pile_up(folder: Folder) -> None:
    """Ten workers that die one after another leave what one leaves."""
    for _ in range(10):
        folder.start().kill()
    assert 1 == len(list(folder.path.glob("counter_*.db")))
    assert 10 == folder.scrape()[REQUESTS]


def test_a_folder_of_a_former_life_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that starts the service begins at nothing, but not while another command's process is alive."""
    path = tmp_path / "metrics"
    monkeypatch.setenv(VARIABLE, str(path))
    clear_shared_metrics()  # where there is no folder yet there is nothing to clear
    with _folder(path) as former:
        former.start()
        clear_shared_metrics()
        assert 1 == former.scrape()[REQUESTS]
    (path / "counter_77.db").write_bytes(b"what a crash left half written")
    clear_shared_metrics()
    with _folder(path) as folder:
        folder.start()
        assert 1 == folder.scrape()[REQUESTS]


def test_slots_are_taken_once(tmp_path: Path) -> None:
    """Each holder has a slot of its own, the lowest that is free."""
    slots = [SharedFolder(tmp_path).slot for _ in range(3)]
    assert [0, 1, 2] == slots
