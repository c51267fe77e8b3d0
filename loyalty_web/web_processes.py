"""Several web processes under one that watches over them."""

import os
import signal
import socket
import time
from typing import Final

import structlog
import uvicorn
from typing_extensions import override
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from loyalty_web.draining import DrainingServer
from loyalty_web.hangups import take_held_hangup

_LOOK: Final = 0.1
"""Seconds between two looks at processes that are ending."""
_MORE: Final = 1.0
"""Seconds that a process may take longer than it was given, before it is killed: it ends by itself, if it can."""
_ENDS: Final = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(context="WebProcesses")


class WebProcesses(Multiprocess):
    """uvicorn's supervisor, but a SIGHUP is given on to the processes, which swap their program by it.

    uvicorn would replace every process instead: seconds of work and cold caches for a file that reads in milliseconds,
    and none would start where that file is broken. `hold_hangups` has to have been called. And it would be deaf while
    it waits for the processes to end, and would end well where they did not.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], within: float) -> None:
        """Once it is told to end, the processes have so many seconds for it."""
        super().__init__(config, sockets)
        self._within = within

    @property
    def ended_well(self) -> bool:
        """Whether every process has, by itself or by the signal that told it to; once `run` has returned."""
        well = {0, *(-number for number in _ENDS)}
        return all(process.exitcode in well for process in self.processes)

    @override
    def init_processes(self) -> None:
        self.processes = [self._started() for _ in range(self.processes_num)]

    @override
    def keep_subprocess_alive(self) -> None:
        for number, process in enumerate(self.processes):
            if self.should_exit.is_set() or process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            process.kill()  # where it lives, and no longer answers
            process.join()
            if process.exitcode == STARTUP_FAILURE:  # it would fail the same way again
                self.should_exit.set()
                return
            _log.warning("A web process has ended; starting another", exitCode=process.exitcode)
            self.processes[number] = self._started()

    @override
    def join_all(self) -> None:
        deadline = time.monotonic() + self._within + _MORE
        for process in self.processes:
            while process.process.is_alive():
                process.process.join(_LOOK)
                self.handle_signals()
                if time.monotonic() > deadline:
                    process.process.kill()

    @override
    def handle_signals(self) -> None:
        if take_held_hangup():
            self.handle_hup()
        super().handle_signals()

    @override
    def handle_hup(self) -> None:
        """Give it on. A process that is still starting holds it back until it can answer."""
        self._tell(signal.SIGHUP)

    @override
    def handle_term(self) -> None:
        """The first begins the end; a later one is given on, for the processes to end at once."""
        self._end(signal.SIGTERM)

    @override
    def handle_int(self) -> None:
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        if self.should_exit.is_set():
            self._tell(number)
        self.should_exit.set()

    def _tell(self, number: signal.Signals) -> None:
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, number)

    def _started(self) -> Process:
        process = _WebProcess(self.config, self.sockets)
        process.start()
        return process


class _WebProcess(Process):
    @property
    @override
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = DrainingServer(config=self.config)
        return self._server
