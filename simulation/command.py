"""Commands that let a crowd loose on a worker site, and tell in JSON lines how it gets on."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulation.browser import Browser, Unreachable
from simulation.crowd import Pace, Tally, open_connections, report_every, run_until
from simulation.made_up import LabelMismatchError, MadeUpCrowd
from simulation.pages import collapse
from simulation.recording import RecordingError, read_recording
from simulation.replay import HANDS, Replay
from simulation.workers import ARRIVAL_SECONDS, DEMO_POPULATION, population

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _report(line: dict[str, Any]) -> None:
    click.echo(json.dumps(line))


@click.group()
def main() -> None:
    """Simulate crowds that work through the worker site."""


def _common(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option("--base", required=True, help="Address of the server, such as http://127.0.0.1:8800."),
        click.option("--invitations", type=FILE, required=True, help="Invitation links, one a line."),
        click.option(
            "--patience",
            type=click.FloatRange(min=0, min_open=True),
            help="Seconds without work after which to end; without it, only when told to stop.",
        ),
        click.option("--report-every", type=click.FloatRange(min=0.05), default=1.0, show_default=True),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command("made-up")
@_common
@click.option("--truth", type=FILE, required=True, help="JSON: what is visible of an item to its true label.")
@click.option("--labels", type=click.IntRange(2, 100), help="Label values on offer; else as many as are true.")
@click.option("--population", "spec", help='JSON: share of each kind, such as {"expert": 1, "ordinary": 3}.')
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, help="Simulated seconds a second.")
@click.option("--arrival", type=click.FloatRange(min=0), default=ARRIVAL_SECONDS, help="Mean simulated seconds.")
def made_up(
    base: str,
    invitations: Path,
    patience: float | None,
    report_every: float,
    truth: Path,
    labels: int | None,
    spec: str | None,
    seed: int,
    speed: float,
    arrival: float,
) -> None:
    """Let made-up workers loose, one for each invitation."""
    links = _links(invitations)
    truths = {collapse(content): label for content, label in _json(truth.read_text("utf-8"), str(truth)).items()}
    shares = _json(spec, "--population") if spec else DEMO_POPULATION
    try:
        workers = population(
            shares, len(links), labels or max(2, len(set(truths.values()))), seed, arrival_seconds=arrival
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise click.BadParameter(str(error), param_hint="--population") from error
    crowd = MadeUpCrowd(truths, pace=Pace(speed), patience=patience)

    async def play(stop: asyncio.Event) -> bool:
        async with open_connections() as connections:
            lives = [
                crowd.live(worker, Browser(base, link, connections))
                for worker, link in zip(workers, links, strict=True)
            ]
            return await run_until(stop, lives)

    _play(play, crowd.tally, report_every, dict)


@main.command()
@_common
@click.argument("folder", type=FOLDER)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many items.")
@click.option("--withhold", type=click.IntRange(min=0), default=0, help="Leave out the last so many answers.")
def replay(
    base: str,
    invitations: Path,
    patience: float | None,
    report_every: float,
    folder: Path,
    limit: int | None,
    withhold: int,
) -> None:
    """Let the recorded workers of FOLDER loose, who need an invitation each; one more is for the reader."""
    links = _links(invitations)
    try:
        recording = read_recording(folder, limit=limit, withhold=withhold)
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    names = recording.workers
    if len(links) < len(names):
        raise click.ClickException(f"{len(names)} workers are recorded: {len(names)} invitations are needed")
    tally, left = Tally(), len(recording.answers)

    async def play(stop: asyncio.Event) -> bool:
        nonlocal left
        async with open_connections() as connections:
            browsers = {name: Browser(base, link, connections) for name, link in zip(names, links, strict=False)}
            reader = Browser(base, links[len(names)], connections) if len(links) > len(names) else browsers[names[0]]
            crowd = Replay(recording, browsers, reader, patience=patience, tally=tally)
            try:
                return await run_until(stop, [crowd.read(), *(crowd.lend_a_hand() for _ in range(HANDS))])
            finally:
                left = crowd.schedule.left
                await crowd.close()

    _play(
        play,
        tally,
        report_every,
        lambda: {
            "answers_recorded": len(recording.answers) + recording.withheld,
            "answers_left": left,
            "repeats_dropped": recording.repeats_dropped,
            "withheld": recording.withheld,
            "workers": len(names),
        },
    )


def _play(
    play: Callable[[asyncio.Event], Coroutine[Any, Any, bool]],
    tally: Tally,
    seconds: float,
    more: Callable[[], dict[str, Any]],
) -> None:
    """Run a crowd until it ends or a signal comes, with progress, and sum it up."""

    async def run() -> bool:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        reporter = asyncio.create_task(report_every(seconds, tally, _report))
        try:
            return await play(stop)
        finally:
            reporter.cancel()

    started = time.monotonic()
    try:
        ended = asyncio.run(run())
    except (LabelMismatchError, RecordingError, Unreachable) as error:
        raise click.ClickException(str(error)) from error
    _report(
        {
            "event": "summary",
            "ended": "by itself" if ended else "told to stop",
            "seconds": round(time.monotonic() - started, 3),
            **tally.as_dict(),
            **more(),
        }
    )


def _links(path: Path) -> Sequence[str]:
    links = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    wrong = next((link for link in links if "/worker/join/" not in link), None)
    if wrong is not None or not links:
        raise click.ClickException(f"{path}: expected invitation links (http…/worker/join/…), one a line")
    return links


def _json(text: str, source: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.ClickException(f"{source}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise click.ClickException(f"{source}: expected a JSON object")
    return value
