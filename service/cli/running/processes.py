"""The processes that Assay runs as. Each ends within ten seconds of SIGINT or SIGTERM."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from foundation.clock import SystemClock
from foundation.errors import PlainError
from foundation.serving.application import create_application
from foundation.serving.server import check_address, serving
from foundation.serving.stopping import Stop, repeat, run_together
from marketplace.app import Marketplace
from service.api.app import create_router
from service.api.problems import APP_HANDLERS
from service.app import Service
from service.cli.running.database import database, embedded, require_database_url, schema_check
from service.cli.running.first_start import EMBEDDED, embedded_markets, first_key
from service.markets import open_market
from service.pipeline.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation.settings import MarketSettings, Settings
    from service.markets.market import Market

    Announce = Callable[[Settings, str | None], None]


async def run_up(settings: Settings, announce: Announce) -> None:
    """Run everything in this process: database (unless one is named), API, marketplace and pipeline.

    Parameters
    ----------
    settings : Settings
        Markets whose endpoint is ``embedded`` are the marketplace of this process.
    announce : callable
        Called once, when all of it answers, with the API key that was made, if one was.

    Raises
    ------
    PlainError
        Where it cannot start; one line that says what to do.
    """
    check_address(settings.host, settings.port)
    clock = SystemClock()
    server = embedded(settings)
    with Stop(abandon=server.abandon if server else None) as stop:
        async with AsyncExitStack() as stack:
            dsn = await stack.enter_async_context(database(settings, server, "service", "marketplace"))
            marketplace = await Marketplace.open(dsn, settings.marketplace, settings.base_url, settings.data, clock)
            stack.push_async_callback(marketplace.close)
            markets = open_markets(await embedded_markets(settings, marketplace), clock)
            service = await Service.open(settings, dsn, clock, markets)
            stack.push_async_callback(service.close)
            app = create_application(
                [create_router(service), marketplace.router()],
                checks={
                    "service": schema_check(service.pool, "service"),
                    "marketplace": marketplace.check,
                },
                exception_handlers=APP_HANDLERS,
            )
            if stop.event.is_set():
                return
            # The pipeline ends before the server does: it speaks to the marketplace through it.
            await stack.enter_async_context(serving(app, settings.host, settings.port))
            announce(settings, await first_key(service))  # made last: a start that fails must not use it up
            await run_together(
                stop,
                Engine(service).run(stop.event),
                repeat(stop, marketplace.sweep, every=settings.marketplace.sweep_every, name="marketplace sweep"),
            )


async def run_serve(settings: Settings, announce: Announce) -> None:
    """Serve the API and the work page. Any number of these share a database."""
    dsn = require_database_url(settings, "serve")
    check_address(settings.host, settings.port)
    with Stop() as stop:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(database(settings, None, "service"))
            service = await Service.open(settings, dsn, SystemClock(), {})  # it is the pipeline that speaks to markets
            stack.push_async_callback(service.close)
            app = create_application(
                [create_router(service)],
                checks={"service": schema_check(service.pool, "service")},
                exception_handlers=APP_HANDLERS,
            )
            await stack.enter_async_context(serving(app, settings.host, settings.port))
            announce(settings, None)
            await stop.event.wait()


async def run_work(settings: Settings, announce: Announce, *, probes: bool) -> None:
    """Run the pipeline. Any number of these share a database.

    Parameters
    ----------
    settings : Settings
        Its markets need an address of their own.
    announce : callable
        Called once it runs.
    probes : bool
        Whether to serve health, readiness and metrics, and nothing else, at host and port.
    """
    dsn = require_database_url(settings, "work")
    for name, market in settings.markets.items():
        if market.endpoint == EMBEDDED:
            msg = (
                f"market {name!r} is 'embedded', which 'assay up' alone runs; set markets.{name}.endpoint "
                f"(ASSAY_MARKETS__{name.upper()}__ENDPOINT) to the marketplace's address, and its keys"
            )
            raise PlainError(msg)
    clock = SystemClock()
    with Stop() as stop:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(database(settings, None, "service"))
            service = await Service.open(settings, dsn, clock, open_markets(settings.markets, clock))
            stack.push_async_callback(service.close)
            if probes:
                check = schema_check(service.pool, "service")
                app = create_application([], checks={"service": check})
                await stack.enter_async_context(serving(app, settings.host, settings.port))
            announce(settings, None)
            await run_together(stop, Engine(service).run(stop.event))


def open_markets(markets: Mapping[str, MarketSettings], clock: SystemClock) -> dict[str, Market]:
    """Open every market by its name."""
    return {name: open_market(name, market, clock) for name, market in markets.items()}
