"""Several web processes under one that watches over them."""

import os
import signal

from typing_extensions import override
from uvicorn.supervisors import Multiprocess

from loyalty_web.hangups import take_held_hangup


class WebProcesses(Multiprocess):
    """uvicorn's supervisor, but a SIGHUP is given on to the processes, which swap their program by it.

    uvicorn would replace every process instead: seconds of work and cold caches for a file that reads in milliseconds,
    and none would start where that file is broken. `hold_hangups` has to have been called.
    """

    @override
    def handle_signals(self) -> None:
        if take_held_hangup():
            self.handle_hup()
        super().handle_signals()

    @override
    def handle_hup(self) -> None:
        """Give it on. A process that is still starting holds it back until it can answer."""
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, signal.SIGHUP)
