"""Runs a command that dies with its parent: `tether.py SIGNAL PARENT_PID UID:GID|- COMMAND...`.

A stepping stone that replaces itself by the command, so the process keeps its id. It is a script of its own rather
than a `preexec_fn` because it also runs safely where the parent has threads, and because privileges have to be
dropped *before* the death signal is asked for: the kernel forgets the signal when credentials change.

The signal follows the parent's *thread*: start tethered processes from a thread that lives as long as they should.
Only Linux can do this; elsewhere the command runs untied.
"""

import ctypes
import os
import sys
from signal import Signals

_PR_SET_PDEATHSIG = 1


def main(signal: str, parent: str, account: str, *command: str) -> None:
    """Drop to `account`, tie this process to `parent`, become `command`."""
    if account != "-":
        uid, gid = map(int, account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, Signals[signal].value, 0, 0, 0)
        if os.getppid() != int(parent):  # it died before the kernel knew about us
            sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 - running the caller's command is the purpose
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
