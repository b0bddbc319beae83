"""What is said of a market that does not answer: to its jobs, once it has lasted, and again when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from service.markets import Market
from service.markets.market import Unavailable
from service.pipeline.stage import Stage
from service.store import events, silence


@contextlib.asynccontextmanager
async def noticed(stage: Stage, market: Market, market_no: int) -> AsyncIterator[None]:
    """Notice whether the market answers in this block, and tell its jobs; what it raises goes on.

    The effects of an outbox count their own attempts, and are told of by job: this is for calls that have none.
    """
    try:
        yield
    except Unavailable as error:
        await _fallen(stage, market, market_no, error)
        raise
    since, job_nos = await silence.broken(stage.conn, market_no)
    for job_no in job_nos:
        message = f"the market {market.name} answers again, after silence since {since:%Y-%m-%d %H:%M} UTC"
        await events.record(stage.conn, job_no, stage.clock.now(), "recovered", message)


async def _fallen(stage: Stage, market: Market, market_no: int, error: Unavailable) -> None:
    now = stage.clock.now()
    async with stage.conn.transaction():
        since, job_nos = await silence.fallen(stage.conn, market_no, now)
        for job_no in job_nos:
            message = (
                f"the market {market.name} has not answered since {since:%Y-%m-%d %H:%M} UTC, and is asked again every "
                f"minute; nothing is lost meanwhile: {error}"
            )
            await events.record(stage.conn, job_no, now, "trouble", message)
