"""The append-only file under the ledger: a reply leaves only once everything it could have seen is on disk."""

import asyncio
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from loyalty_adapters.pdi_simulator.records import Record

_CRC_WIDTH: Final = 8


class JournalError(Exception):
    """The journal cannot be used: locked by another simulator, damaged, or the disk refuses."""


class Journal:
    """One line a batch: its CRC-32 in hex, a blank, the records as a JSON array.

    Group commit: what one turn of the event loop appended is one batch, written and synced at the turn's end. A crash
    can tear the last line only, and then nobody was told of anything in it. The sync blocks the loop on purpose: nobody
    could be answered meanwhile anyway, and a hop to a thread costs more than a sync. A failed sync is final (the kernel
    may have dropped the pages): nothing waiting is released, and `on_failure` is told.
    """

    def __init__(self, path: Path, *, fsync: bool, on_failure: Callable[[JournalError], None]) -> None:
        self._path = path
        self._fsync = fsync
        self._on_failure = on_failure
        self._encode = msgspec.json.Encoder().encode
        self._pending: list[bytes] = []
        self._waiting: list[Callable[[], None]] = []
        self._broken = False
        self.syncs = 0
        created = not path.exists()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise JournalError(f"{path} is in use by another PDI simulator.") from None
        if created and fsync:
            # The file's name is data of its folder.
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    def read(self) -> Iterator[Record]:
        """Every record, oldest first; a last line torn by a crash is cut off.

        Raises:
            JournalError: a damaged line with others after it (that is no crash, and not ours to guess about), or
                records of another version.
        """
        decode = msgspec.json.Decoder(list[Record]).decode
        sound = 0
        with self._path.open("rb") as lines:
            for line in lines:
                batch = _unwrap(line)
                if batch is None:
                    break
                try:
                    yield from decode(batch)
                except msgspec.DecodeError as error:
                    raise JournalError(f"{self._path} holds what this version does not know: {error}.") from error
                sound += len(line)
            rest = lines.read(1)
        if rest:
            raise JournalError(f"{self._path} is damaged at byte {sound}, and more follows.")
        size = os.fstat(self._fd).st_size
        if size > sound:
            sys.stderr.write(f"{self._path}: cut off a torn batch of {size - sound} bytes.\n")
            os.ftruncate(self._fd, sound)
            self._sync()

    def append(self, record: Record) -> None:
        """Takes the record in; `when_durable` says when it is safe.

        Raises:
            JournalError: an earlier write failed.
        """
        if self._broken:
            raise JournalError("The journal failed earlier; nothing more is booked.")
        body = self._encode(record)
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append(body)

    def when_durable(self, then: Callable[[], None]) -> None:
        """Calls `then` once all that was appended so far is on disk: at once when nothing waits."""
        if self._pending:
            self._waiting.append(then)
        elif not self._broken:
            then()

    def clear(self) -> None:
        """Forgets everything, on disk too. What waits for durability is released: there is nothing left to lose."""
        os.ftruncate(self._fd, 0)
        self._sync()
        self._pending.clear()
        self._release()

    def close(self) -> None:
        """Writes what is pending and lets go of the file."""
        self._flush()
        os.close(self._fd)

    def _flush(self) -> None:
        if not self._pending or self._broken:
            return
        batch = b"[%b]" % b",".join(self._pending)
        data = b"%08x %b\n" % (crc32(batch), batch)
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
            self._sync()
        except OSError as error:
            self._broken = True
            self._waiting.clear()
            self._on_failure(JournalError(f"{self._path} cannot be written: {error.strerror}."))
            return
        self._pending.clear()
        self._release()

    def _sync(self) -> None:
        if self._fsync:
            os.fdatasync(self._fd)
        self.syncs += 1

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()


def _unwrap(line: bytes) -> bytes | None:
    """The batch inside a line, or None where the line is torn."""
    body = line[_CRC_WIDTH + 1 : -1]
    if not line.endswith(b"\n") or line[: _CRC_WIDTH + 1] != b"%08x " % crc32(body):
        return None
    return body
