"""The places where workers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.markets.market import Market

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.settings import MarketSettings

__all__ = ["Market", "open_market"]


def open_market(name: str, settings: MarketSettings, clock: Clock) -> Market:
    """Return the market that the settings describe; `embedded` endpoints have been replaced by their URL before."""
    from service.markets.mturk import MTurkMarket  # noqa: PLC0415 - boto3 takes its time to import

    return MTurkMarket(
        name,
        endpoint=settings.endpoint,
        access_key=settings.access_key or "",
        secret_key=settings.secret_key or "",
        region=settings.region,
        fees=settings.fees,
        connections=settings.max_connections,
        clock=clock,
    )
