"""Let a caller watch a climb: after each step, the bound and the largest change of a probability.

What has to be compiled first, which takes much longer than a step, is told too.

Climbs run deep inside of methods, several at once and on threads of their own, so who watches is known to the whole
process, and is told from any thread.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Watcher = Callable[[float, float], None]
    Compiling = Callable[[str], None]

_watchers: list[Watcher] = []
_compiling: list[Compiling] = []


@contextlib.contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Call ``watcher(bound, change)`` after every step of every climb until the block ends."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@contextlib.contextmanager
def compiling_watched(watcher: Compiling) -> Iterator[None]:
    """Call ``watcher(kernel)`` before a kernel is compiled until the block ends."""
    _compiling.append(watcher)
    try:
        yield
    finally:
        _compiling.remove(watcher)


def tell(bound: float, change: float) -> None:
    """Tell whoever watches about a step."""
    for watcher in _watchers:
        watcher(bound, change)


def tell_compiling(kernel: str) -> None:
    """Tell whoever watches that a kernel is about to be compiled."""
    for watcher in _compiling:
        watcher(kernel)
