"""Where a traceback goes that nobody at the keyboard should have to read."""

from __future__ import annotations

import contextlib
import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.telemetry import scrub

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT = 1_000_000


def keep_traceback(error: BaseException) -> str:
    """Append the traceback to the user's error log, and return a line that says so."""
    said = " ".join(scrub(str(error)).split())[:300]
    what = f"unexpected error: {type(error).__name__}{f': {said}' if said else ''}"
    text = f"{datetime.now(UTC).isoformat()}\n{scrub(''.join(traceback.format_exception(error)))}\n"
    for folder in _folders():
        file = folder / "errors.log"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if file.exists() and file.stat().st_size > _LIMIT:
                file.replace(file.with_suffix(".log.1"))
            with file.open("a", encoding="utf-8") as log:
                log.write(text)
        except OSError:
            continue
        return f"{what} (the traceback is in {file}; --debug shows it)"
    return f"{what} (--debug shows the traceback)"


def _folders() -> Iterator[Path]:
    with contextlib.suppress(RuntimeError):  # a user without a home
        base = os.environ.get("XDG_STATE_HOME")
        yield (Path(base) if base else Path.home() / ".local" / "state") / "assay"
    yield Path(tempfile.gettempdir()) / f"assay-{os.geteuid()}"
