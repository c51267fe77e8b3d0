import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from loyalty_adapters.embedded.errors import EmbeddedServersError


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account that a server drops to. PostgreSQL refuses to run as root."""

    uid: int
    gid: int


def server_account(home: Path) -> Account | None:
    """The account the servers drop to, or None when they stay the user they were started by.

    Root drops to the owner of `home`; where that is root itself, to `nobody`.
    """
    if os.geteuid() != 0:
        return None
    owner = home.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")  # its group is called nogroup or nobody, depending on the system
    except KeyError:
        message = "PostgreSQL does not run as root and there is no account `nobody`: start as another user."
        raise EmbeddedServersError(message) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def own_folder(path: Path, account: Account | None) -> None:
    """Make `path` a folder that only the servers' account (and root) can look into."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)
