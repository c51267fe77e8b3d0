import errno
from pathlib import Path


class EmbeddedServersError(Exception):
    """The embedded servers cannot run here. The message is one sentence for the person who started them."""


def unusable_folder(home: Path, error: OSError) -> EmbeddedServersError:
    """One sentence for an operating system error met while preparing `home`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(home)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return EmbeddedServersError(
            f"Cannot write to {error.filename or home}: give this user the folder, or set LOYALTY_HOME to another one."
        )
    return EmbeddedServersError(f"Cannot prepare {home} for the embedded servers: {error}.")


def disk_full(home: Path) -> EmbeddedServersError:
    """The sentence for a full disk, whoever met it: us or one of the servers."""
    return EmbeddedServersError(
        f"The disk that holds {home} is full: free some space, or set LOYALTY_HOME to a folder elsewhere."
    )
