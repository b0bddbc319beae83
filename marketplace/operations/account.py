"""The requester's account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation.money import format_usd
from marketplace.store import ledger

if TYPE_CHECKING:
    from marketplace.operations.call import Call


async def get_account_balance(call: Call) -> dict[str, Any]:
    """Tell what can be spent, and what is held for open places and unreviewed work."""
    balance = await ledger.balance(call.conn, requester_id=call.requester_id)
    return {
        "AvailableBalance": format_usd(balance.available_cents),
        "OnHoldBalance": format_usd(balance.held_cents),
    }
