"""The books: money put in and taken out, and what is left of it, in integer cents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from marketplace.refusal import INSUFFICIENT_FUNDS, Refused

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """What a requester can spend, and what is held for the open places and unreviewed work of its HITs."""

    available_cents: int
    held_cents: int


_ENTER = "INSERT INTO ledger (requester_id, entry, amount_cents, made_at) VALUES ($1, $2, $3, $4)"

_BALANCE = """
SELECT available_cents,
       (SELECT coalesce(sum(held_cents), 0)::bigint FROM hit
         WHERE hit.requester_id = requester.requester_id AND disposed_at IS NULL) AS held_cents
  FROM requester WHERE requester_id = $1
"""


async def deposit(conn: asyncpg.Connection, *, requester_id: str, cents: int, now: datetime) -> Balance:
    """Put money in, or with a negative amount take it out.

    Raises
    ------
    Refused
        Where more is taken out than is available.
    """
    try:
        async with conn.transaction():
            await conn.execute(_ENTER, requester_id, "deposit" if cents > 0 else "withdrawal", abs(cents), now)
    except asyncpg.CheckViolationError as error:
        raise refuse_funds(error) from None
    return await balance(conn, requester_id=requester_id)


async def balance(conn: asyncpg.Connection, *, requester_id: str) -> Balance:
    """Tell what a requester has."""
    return Balance(**await conn.fetchrow(_BALANCE, requester_id))


def refuse_funds(error: asyncpg.CheckViolationError) -> Exception:
    """Return the refusal if it is the requester's balance that would have fallen below zero, else the error itself."""
    if error.constraint_name == "requester_has_funds":
        return Refused(
            INSUFFICIENT_FUNDS, "This Requester has insufficient funds in their account to complete this transaction."
        )
    failure: Exception = error
    return failure
