"""A clean stop: the first signal asks everything to end, the second ends it at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

log = structlog.get_logger(__name__)

GRACE_SECONDS = 9.0
"""How long a stop may take before the process ends all the same: within the ten that operators are promised."""

_PART_SECONDS = 5.0
_INTERRUPTED = 130  # 128 and SIGINT, as shells have it


class Stop:
    """What tells a process to stop, set by SIGINT and SIGTERM while it is entered.

    Parameters
    ----------
    abandon : Callable, optional
        Called just before the process ends without a clean stop; it must not block.
    """

    def __init__(self, *, abandon: Callable[[], None] | None = None) -> None:
        self.event = asyncio.Event()
        self._abandon = abandon
        self._watchdog: threading.Timer | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        # The watchdog goes on: the interpreter still waits for threads that are at work.

    def request(self) -> None:
        """Ask everything to end, and see to it that it does."""
        if self.event.is_set():
            return
        self.event.set()
        self._watchdog = threading.Timer(GRACE_SECONDS, self._end, kwargs={"code": 1})
        self._watchdog.daemon = True
        self._watchdog.start()

    def _signalled(self) -> None:
        if self.event.is_set():
            self._end(code=_INTERRUPTED)
        self.request()

    def _end(self, *, code: int) -> None:
        if code != _INTERRUPTED:
            log.error("did not stop in time, ending all the same", seconds=GRACE_SECONDS)
        if self._abandon is not None:
            with contextlib.suppress(Exception):
                self._abandon()
        os._exit(code)


async def run_together(stop: Stop, *parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts of a process until the stop is asked for; where one ends or fails before, all are to end.

    Each part ends by itself when `stop.event` is set; one that takes too long over it is cancelled.

    Raises
    ------
    Exception
        The first that a part raised, once all have ended.
    """
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.request()
        _, late = await asyncio.wait(tasks, timeout=_PART_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()


async def repeat(stop: Stop, duty: Callable[[], Awaitable[None]], *, every: float, name: str) -> None:
    """Do a duty, again and again with so many seconds between, until the stop is asked for; a failure is logged."""
    while not stop.event.is_set():
        try:
            await duty()
        except Exception:
            log.exception("a duty failed and will be tried again", duty=name, again_in=every)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.event.wait(), every)
