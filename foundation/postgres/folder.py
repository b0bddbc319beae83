"""The data folder: whose it is, who may enter it, and the locks within it."""

from __future__ import annotations

import fcntl
import os
import pwd
import stat
import time
from typing import TYPE_CHECKING, Self

from foundation.postgres.pool import DatabaseError

if TYPE_CHECKING:
    from pathlib import Path

_UNPRIVILEGED = "nobody"


def open_data_folder(data: Path, cluster: Path) -> pwd.struct_passwd | None:
    """Make sure of the data folder, and return the user that Postgres runs as: None for ourselves.

    As root that is the owner of the cluster, or, where there is none yet, an unprivileged user. A folder that is
    new or empty becomes that user's; one that holds other things is left as it is. No parent's mode is changed.

    Raises
    ------
    DatabaseError
        Where the folder cannot be made, written to, or entered by that user.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        empty = not any(data.iterdir())
        user = _server_user(cluster) if os.geteuid() == 0 else None
        if user is not None and empty:
            os.chown(data, user.pw_uid, user.pw_gid)
    except OSError as error:
        msg = f"the data folder {data} cannot be used: {str(error.strerror).lower()}; choose another with --data"
        raise DatabaseError(msg) from error
    if not os.access(data, os.W_OK):
        msg = f"the data folder {data} cannot be written to by this user; choose another with --data"
        raise DatabaseError(msg)
    closed = first_closed(data, user)
    if closed is not None:
        assert user is not None
        msg = (
            f"Postgres does not run as root but as {user.pw_name!r}, who cannot enter {closed}; choose a data "
            "folder that every user can reach, such as --data /var/lib/assay"
        )
        raise DatabaseError(msg)
    return user


def first_closed(folder: Path, user: pwd.struct_passwd | None) -> Path | None:
    """Return the outermost folder on the way that this user may not enter, judged by its owner and mode."""
    if user is None:
        return None
    for step in [*reversed(folder.parents), folder]:
        if not step.exists():
            return None
        facts = step.stat()
        if facts.st_uid == user.pw_uid:
            needed = stat.S_IXUSR
        elif facts.st_gid == user.pw_gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not facts.st_mode & needed:
            return step
    return None


def _server_user(cluster: Path) -> pwd.struct_passwd:
    try:
        owner = cluster.stat().st_uid
        return pwd.getpwuid(owner) if owner else pwd.getpwnam(_UNPRIVILEGED)
    except FileNotFoundError:
        return pwd.getpwnam(_UNPRIVILEGED)
    except KeyError as error:
        msg = f"{cluster} belongs to a user who is not known here; give it to one who is, such as 'nobody'"
        raise DatabaseError(msg) from error


class FolderLock:
    """A lock on a file, held by a process and dropped by the kernel with it.

    Parameters
    ----------
    path : Path
        The file; it is made where missing and never removed.
    shared : bool
        Whether others may hold it too.
    seconds : float
        How long to wait for it.
    """

    def __init__(self, path: Path, *, shared: bool, seconds: float) -> None:
        self._path = path
        self._kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._seconds = seconds
        self._file: int | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        DatabaseError
            Where another process does not let go of it in time.
        """
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + self._seconds
        while not self._try(self._kind):
            if time.monotonic() > deadline:
                self.release()
                msg = f"another process has held {self._path} for over {self._seconds:.0f} s; is it stuck?"
                raise DatabaseError(msg)
            time.sleep(0.02)

    def upgrade(self) -> bool:
        """Turn a shared lock into an exclusive one if nobody else holds it, and tell whether that was so."""
        return self._try(fcntl.LOCK_EX)

    def release(self) -> None:
        """Let go of the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _try(self, kind: int) -> bool:
        assert self._file is not None
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
