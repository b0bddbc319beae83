"""Run a marketplace alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import click
import structlog

from foundation.clock import SystemClock
from foundation.serving.application import create_application
from foundation.serving.server import serving
from foundation.serving.stopping import Stop, run_together
from foundation.telemetry import configure_logging
from marketplace.accounts import ensure_requester
from marketplace.app import Marketplace
from marketplace.cli.options import open_database

if TYPE_CHECKING:
    from foundation.settings import Settings

_log = structlog.get_logger(__name__)


async def run(settings: Settings) -> None:
    """Serve the Requester API and the worker site until a signal asks for the end.

    Raises
    ------
    PlainError
        Where a setting, the database or the address does not serve; one line that says what to do.
    """
    configure_logging(level=settings.log_level, format=settings.log_format)
    with Stop() as stop:
        async with open_database(settings) as dsn:
            marketplace = await Marketplace.open(
                dsn, settings.marketplace, settings.base_url, settings.data, SystemClock()
            )
            try:
                await ensure_requester(
                    marketplace.pool,
                    key=marketplace.key,
                    settings=settings.marketplace,
                    now=marketplace.clock.now(),
                )
                app = create_application([marketplace.router()], checks={"database": marketplace.check})
                async with serving(app, settings.host, settings.port):
                    click.echo(f"requester API  {settings.base_url}/mturk")
                    click.echo(f"worker site    {settings.base_url}/worker")
                    await run_together(stop, sweep_until(marketplace, stop.event))
            finally:
                await marketplace.close()


async def sweep_until(marketplace: Marketplace, stop: asyncio.Event) -> None:
    """Sweep at the pace of the settings until asked to stop; a sweep that fails is tried again at the next."""
    while not stop.is_set():
        try:
            await marketplace.sweep()
        except Exception:  # noqa: BLE001 - logged; whatever it was, the next sweep does what this one left
            _log.exception("the marketplace's sweep failed")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), marketplace.settings.sweep_every)
