"""A place for compiled kernels, for a user who may write neither beside them nor in a home folder.

They are kept beside their module, or else in the user's cache folder. Where neither can be written to, as by a system
user without a home with an installation that belongs to root, every process would compile them anew.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import stat
import tempfile
from pathlib import Path

_VARIABLE = "NUMBA_CACHE_DIR"


def provide_kernel_cache() -> None:
    """Name a folder of one's own in the temporary one where there is no better place."""
    if _VARIABLE in os.environ or any(_writable(folder) for folder in _usual_places()):
        return
    folder = Path(tempfile.gettempdir()) / f"assay-kernels-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        # What is in it is executed: nobody else may have made it, or be able to write to it.
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            folder = Path(tempfile.mkdtemp(prefix="assay-kernels-"))
    except OSError:
        return  # kernels are then compiled by every process
    os.environ[_VARIABLE] = str(folder)


def _usual_places() -> list[Path]:
    spec = importlib.util.find_spec("aggregation")
    beside = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    with contextlib.suppress(RuntimeError):  # a user without a home
        base = os.environ.get("XDG_CACHE_HOME")
        return [*beside, Path(base) if base else Path.home() / ".cache"]
    return beside


def _writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
