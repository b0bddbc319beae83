"""What a command shows on a terminal while it works: one line, rewritten."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVERY: Final = 0.1  # seconds between two writings
_COMPILING: Final = "compiling for this machine, which takes some seconds the first time"


class Line:
    """
    A line of standard error that says what is being done, and is gone afterwards; none where there is no terminal.

    It is told of steps from any thread.
    """

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, threading.Lock()
        self._shown = out.isatty()
        self._doing, self._steps, self._next, self._compiling = "", 0, 0.0, False

    def doing(self, what: str) -> None:
        """Say what is being done now."""
        with self._lock:
            self._doing, self._steps = what, 0
            self._write(f"{what} …")

    def step(self, bound: float, change: float) -> None:
        """Say how far a climb is: the bound, and the largest change of a probability."""
        with self._lock:
            self._steps += 1
            if time.monotonic() >= self._next:
                steps = "1 step" if self._steps == 1 else f"{self._steps:,} steps"
                moved = f", change {change:.1e}" if math.isfinite(change) else ""  # early steps may not compare
                self._write(f"{self._doing}: {steps}, bound {bound:,.2f}{moved}")

    def compiling(self, kernel: str) -> None:
        """Say, once and whether there is a terminal or not, what is waited for where machine code is yet to be made."""
        del kernel
        with self._lock:
            if not self._compiling:
                self._write("")
                self._out.write(f"assay: {_COMPILING}\n")
                self._out.flush()
            self._compiling = True

    def end(self) -> None:
        """Remove the line."""
        with self._lock:
            self._write("")

    def _write(self, text: str) -> None:
        if self._shown:
            self._next = time.monotonic() + _EVERY
            width = shutil.get_terminal_size().columns - 1
            self._out.write(f"\r\x1b[K{text[:width]}")
            self._out.flush()


@contextlib.contextmanager
def progress() -> Iterator[Line]:
    """Show a line until the block ends."""
    line = Line(sys.stderr)
    try:
        yield line
    finally:
        line.end()
