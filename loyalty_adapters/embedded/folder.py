import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from loyalty_adapters.embedded.account import Account, own_folder


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """A folder one server works in, and the name it has for that server.

    A server that dropped its privileges may not walk the path to the folder (`.loyalty/` is 0700, the project may sit
    in a private home), and opening those folders to everybody would be worse. It inherits the folder itself as an open
    descriptor and names it through `/proc/self/fd`.
    """

    path: Path
    descriptor: int | None

    @classmethod
    @contextmanager
    def opened(cls, path: Path, account: Account | None) -> Iterator[Self]:
        """Make `path` if needed, give it to `account`, and hold it open while the server is being started."""
        own_folder(path, account)
        if account is None:
            yield cls(path, None)
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield cls(path, descriptor)
        finally:
            os.close(descriptor)

    @property
    def name_for_server(self) -> str:
        """What to call the folder in the server's own arguments."""
        return str(self.path) if self.descriptor is None else f"/proc/self/fd/{self.descriptor}"

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the server has to inherit."""
        return () if self.descriptor is None else (self.descriptor,)
