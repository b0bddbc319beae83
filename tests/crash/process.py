"""An assay command with points at which it dies: ``python -m tests.crash.process serve …``.

ASSAY_CRASH_BOOK names the book of hits, ASSAY_CRASH_PIDS the folder in which the process says who it is,
ASSAY_CRASH_ONLY the points to die at, if not all. ASSAY_CRASH_BROKEN_OUTBOX asks for an outbox that forgets what it has
sent: every attempt has a token of its own, so that the audit has something to find.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.crash.points import ALL, CALLS, MARKETPLACE, OPERATIONS, SERVE, STAGES, WORK, Book, Points


def around(reach: Callable[[str], None], before: str, after: str) -> Callable[[Any], Any]:
    """Reach one point before a coroutine function runs, and another once it has."""

    def wrap(function: Any) -> Any:
        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            if before:
                reach(before)
            result = await function(*args, **kwargs)
            if after:
                reach(after)
            return result

        return run

    return wrap


def put(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    setattr(owner, name, wrap(getattr(owner, name)))


def put_into_the_pipeline(reach: Callable[[str], None]) -> None:
    from service.markets.mturk import MTurkMarket
    from service.pipeline import engine
    from service.pipeline.outbox import Outbox
    from service.store import dues, effects

    for stage in STAGES:
        engine.STAGES[stage] = around(reach, f"stage.{stage}.begun", f"stage.{stage}.saved")(engine.STAGES[stage])
    for call in CALLS:
        if call != "list_hits":
            put(MTurkMarket, call, around(reach, f"market.{call}.before", f"market.{call}.after"))
    put(MTurkMarket, "list_hits", lambda pages: _paged(reach, pages))
    put(effects, "sending", around(reach, "", "outbox.sending"))  # committed, and not sent
    put(effects, "done", around(reach, "", "outbox.saving"))  # known, and not committed
    put(Outbox, "_save", around(reach, "", "outbox.saved"))  # committed, and the stage not finished

    finish = dues.finish

    async def finish_and_die(conn: Any, due: Any, **given: Any) -> None:
        await finish(conn, due, **given)
        reach(f"stage.{due.stage}.saving")  # all is written, and nothing committed

    dues.finish = finish_and_die


def _paged(reach: Callable[[str], None], pages: Any) -> Any:
    async def list_hits(self: Any) -> Any:
        reach("market.list_hits.before")
        async for page in pages(self):
            yield page
        reach("market.list_hits.after")

    return list_hits


def put_into_the_api(reach: Callable[[str], None]) -> None:
    from service.store import items, jobs, trust

    put(jobs, "insert", around(reach, "", "api.create.saving"))
    put(items, "add_staged", around(reach, "", "api.items.saving"))
    put(trust, "change", around(reach, "", "api.trust.saving"))
    set_state = jobs.set_state

    async def set_state_and_die(conn: Any, job_no: int, state: str, **given: Any) -> None:
        launched = await conn.fetchval("SELECT launched_at IS NOT NULL FROM job WHERE job_no = $1", job_no)
        await set_state(conn, job_no, state, **given)
        reach("api.state.saving" if launched else "api.launch.saving")

    jobs.set_state = set_state_and_die


def put_into_the_marketplace(reach: Callable[[str], None]) -> None:
    from marketplace.operations import OPERATIONS as SERVED
    from marketplace.store import assignments

    for name in OPERATIONS:
        wrap = around(reach, f"marketplace.{name}.before", f"marketplace.{name}.after")
        if name in SERVED:
            SERVED[name] = wrap(SERVED[name])
        else:
            put(assignments, {"accept": "accept", "externalSubmit": "submit"}[name], wrap)


def hurry() -> None:
    """Wait no longer than half a second before anything is tried again: here all die more often than they should."""
    from service.pipeline import engine, outbox

    engine._LONGEST_WAIT = outbox._LONGEST_WAIT = 0.5


def break_the_outbox() -> None:
    """Forget what was sent: a token of its own for every attempt, and no doubt about earlier ones."""
    from service.store import effects

    count, due = itertools.count(os.getpid() * 1000), effects.due

    async def forgetful(*args: Any, **given: Any) -> Any:
        return [
            msgspec.structs.replace(effect, token=f"T{next(count)}", in_doubt_since=None)
            for effect in await due(*args, **given)
        ]

    effects.due = forgetful


def main() -> None:
    """Run the command again and again in a child of its own, until one ends by itself or we are told to stop.

    What takes long to import is imported once, before the first child: a child that was killed is back at once.
    """
    command = sys.argv[1]
    preload(command)
    stopping = False

    def stop(number: int, _frame: Any) -> None:
        nonlocal stopping
        stopping = True
        if child:
            with contextlib.suppress(ProcessLookupError):  # killed by somebody just now
                os.kill(child, number)

    child = 0
    signal.signal(signal.SIGTERM, stop)
    while True:
        # Word to stop waits until both know who they are: no child is left behind.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if stopping:
            break
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if child == 0:
            be(command)
            return
        Path(os.environ["ASSAY_CRASH_PIDS"], command).write_text(str(child))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(os.waitstatus_to_exitcode(status))


def preload(command: str) -> None:
    import service.cli.running.panel
    import service.cli.running.processes
    import service.cli.running.start  # noqa: F401

    importlib.import_module({"marketplace": "marketplace.cli"}.get(command, f"service.cli.{command}"))


def be(command: str) -> None:
    """Be the command, with the points that are asked for put into it."""
    from service.cli import main as assay

    only = os.environ.get("ASSAY_CRASH_ONLY")
    chosen = ALL if only is None else frozenset(only.split(","))
    book = Book(Path(os.environ["ASSAY_CRASH_BOOK"]))
    for wanted, commands, put_into in (
        (WORK, ("work", "up"), put_into_the_pipeline),
        (MARKETPLACE, ("marketplace", "up"), put_into_the_marketplace),
        (SERVE, ("serve", "up"), put_into_the_api),
    ):
        if command in commands:
            put_into(Points(book, command, wanted & chosen).reach)
    hurry()
    if os.environ.get("ASSAY_CRASH_BROKEN_OUTBOX"):
        break_the_outbox()
    assay(prog_name="assay")


if __name__ == "__main__":
    main()
