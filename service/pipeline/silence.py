"""What is said of a market that does not answer: to its jobs, once it has lasted, and again when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from service.markets import Market
from service.markets.market import Throttled, Unavailable
from service.pipeline.stage import Stage
from service.store import events, silence


@contextlib.asynccontextmanager
async def noticed(stage: Stage, market: Market, market_no: int) -> AsyncIterator[None]:
    """Notice whether the market answers in this block, and tell its jobs; what it raises goes on."""
    try:
        yield
    except Throttled:
        raise  # which is an answer
    except Unavailable as error:
        await fallen(stage, market, market_no, error)
        raise
    await broken(stage, market, market_no)


async def broken(stage: Stage, market: Market, market_no: int) -> None:
    """Note that the market answers."""
    since, job_nos = await silence.broken(stage.conn, market_no)
    for job_no in job_nos:
        message = f"the market {market.name} answers again, after silence since {since:%Y-%m-%d %H:%M} UTC"
        await events.record(stage.conn, job_no, stage.clock.now(), "recovered", message)


async def fallen(stage: Stage, market: Market, market_no: int, error: Unavailable) -> None:
    """Note that the market does not answer."""
    now = stage.clock.now()
    async with stage.conn.transaction():
        since, job_nos = await silence.fallen(stage.conn, market_no, now)
        for job_no in job_nos:
            message = (
                f"the market {market.name} has not answered since {since:%Y-%m-%d %H:%M} UTC, and is asked again every "
                f"minute; nothing is lost meanwhile: {error}"
            )
            await events.record(stage.conn, job_no, now, "trouble", message)
