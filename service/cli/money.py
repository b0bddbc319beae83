"""Money as the command line shows it."""

from __future__ import annotations

from foundation.money import format_usd


def dollars(cents: int) -> str:
    """Return cents as $0.05."""
    return f"${format_usd(cents)}"
