import os
import stat
import tempfile
from collections.abc import Collection
from pathlib import Path

from loyalty_adapters.embedded.errors import EmbeddedServersError


def temporary_folder(name: str, *, mode: int, owners: Collection[int]) -> Path:
    """The folder `name` under the system's temporary folder, made with `mode` or found in our hands.

    Anybody can put a folder or a link there beforehand: what is not a folder of one of `owners` (user ids), or lets
    others write, is refused with `EmbeddedServersError`.
    """
    path = Path(tempfile.gettempdir()) / name
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o022:
            message = f"{path} was made by somebody else: remove it, then start again."
            raise EmbeddedServersError(message) from None
    else:
        path.chmod(mode)  # whatever the umask says
    return path


def remove_temporary_folder(path: Path) -> None:
    """Remove a folder that `temporary_folder` made, if it lies there and is empty by now."""
    if path.parent == Path(tempfile.gettempdir()) and path.is_dir() and not any(path.iterdir()):
        path.rmdir()


def own_user_ids(account_uid: int | None) -> set[int]:
    """The user ids whose folders are ours: this process's and that of the account its servers drop to."""
    return {os.geteuid()} if account_uid is None else {os.geteuid(), account_uid}
