"""Effects: what must happen on a market, written down with its cause and sent after the commit."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from service.store.dues import Connection

_INSERT = """
INSERT INTO effect (job_no, kind, hit_no, assignment_no, worker_no, generation, token, detail, due_at, created_at)
SELECT $1, e.kind, e.hit_no, e.assignment_no, e.worker_no, e.generation, e.token, e.detail, $9, $9
FROM unnest($2::text[], $3::int4[], $4::bigint[], $5::int4[], $6::int4[], $7::text[], $8::jsonb[])
    AS e (kind, hit_no, assignment_no, worker_no, generation, token, detail)
"""
_GENERATIONS = """
SELECT kind, hit_no, worker_no, max(generation) FROM effect
WHERE job_no = $1 AND (hit_no = ANY($2::int4[]) OR worker_no = ANY($3::int4[])) AND assignment_no IS NULL
GROUP BY kind, hit_no, worker_no
"""
# Of a job that does not run, only what closes HITs, and what may have happened already and so must be known.
# A HIT is deleted after the last approval of it is known: what is closed gives back what was reserved for the others.
_PAID = """
NOT (kind = 'delete' AND EXISTS (
    SELECT FROM effect a WHERE a.job_no = $1 AND a.hit_no = effect.hit_no AND a.kind = 'approve'
        AND a.state IN ('due', 'parked')))
"""
_DUE = f"""
SELECT effect_no, kind, hit_no, assignment_no, worker_no, token, detail, attempts, first_sent_at FROM effect
WHERE job_no = $1 AND kind = ANY($2::text[]) AND state = 'due' AND due_at <= $3
  AND ($4 OR kind IN ('expire', 'approve', 'delete') OR first_sent_at IS NOT NULL) AND effect_no <> ALL($6::bigint[])
  AND {_PAID}
ORDER BY effect_no LIMIT $5
"""  # noqa: S608 - our own text
_NEXT_DUE = f"""
SELECT min(due_at) FROM effect
WHERE job_no = $1 AND kind = ANY($2::text[]) AND state = 'due'
  AND ($3 OR kind IN ('expire', 'approve', 'delete') OR first_sent_at IS NOT NULL)
  AND {_PAID}
"""  # noqa: S608 - our own text
_SENDING = """
UPDATE effect SET attempts = attempts + 1, first_sent_at = coalesce(first_sent_at, $2)
WHERE effect_no = ANY($1::bigint[])
"""
_DONE = """
UPDATE effect SET state = 'done', ended_at = $2, last_error = NULL WHERE effect_no = ANY($1::bigint[])
"""
_LATER = "UPDATE effect SET due_at = $2, last_error = $3 WHERE effect_no = $1"
_PARK = "UPDATE effect SET state = 'parked', last_error = $2 WHERE effect_no = $1 AND state = 'due'"
# Whoever resumed a job has mended what parked its effects; one that is being cancelled still has to close its HITs. A
# HIT whose items have all been withdrawn stays parked, so that decide drops it.
_UNPARK = """
UPDATE effect SET state = 'due', due_at = $2
WHERE job_no = $1 AND state = 'parked' AND ($3 = 'running' OR ($3 = 'cancelling' AND kind = ANY($4::text[])))
  AND (kind <> 'create' OR EXISTS (SELECT FROM hit_slot s JOIN item i USING (job_no, item_no)
       WHERE s.job_no = effect.job_no AND s.hit_no = effect.hit_no AND i.state = 'open' AND NOT i.is_gold))
"""
_DROP_MORE_WORK = """
UPDATE effect SET state = 'dropped', ended_at = $2
WHERE job_no = $1 AND kind IN ('extend', 'renew', 'bar', 'admit')
  AND (state = 'parked' OR (state = 'due' AND first_sent_at IS NULL))
"""
_DROP_OF_GONE = """
UPDATE effect SET state = 'dropped', ended_at = $3
WHERE job_no = $1 AND hit_no = ANY($2::int4[]) AND kind IN ('extend', 'renew', 'expire', 'delete')
  AND state IN ('due', 'parked')
"""
_DROP = """
UPDATE effect SET state = 'dropped', ended_at = $3
WHERE job_no = $1 AND hit_no = ANY($2::int4[]) AND kind = 'create'
  AND (state = 'parked' OR (state = 'due' AND first_sent_at IS NULL))
RETURNING hit_no
"""


CLOSING = ("approve", "delete", "expire")
"""Kinds that a job still needs when it asks for nothing more."""


class Effect(Struct, frozen=True):
    """An effect that is due, about a HIT or about a worker. `in_doubt_since`: an earlier send has no known outcome."""

    effect_no: int
    kind: str
    hit_no: int | None
    assignment_no: int | None
    worker_no: int | None
    token: str
    detail: dict[str, Any]
    attempts: int
    in_doubt_since: datetime | None

    @property
    def about(self) -> str:
        """What it would change on the market, for a person to read."""
        return f"worker {self.worker_no}" if self.hit_no is None else f"HIT {self.hit_no}"


class Wanted(Struct, frozen=True):
    """An effect to write down: about a HIT, one of its assignments, or a worker."""

    kind: str
    hit_no: int | None = None
    assignment_no: int | None = None
    detail: dict[str, Any] = {}
    worker_no: int | None = None


def token(job_id: str, kind: str, subject: int, generation: int) -> str:
    """Return the request token of an effect: the same for the same cause, whoever computes it and when."""
    digest = hashlib.sha256(f"assay|{job_id}|{kind}|{subject}|{generation}".encode()).digest()
    return b32encode(digest).decode("ascii")[:52]


async def write(conn: Connection, job_no: int, job_id: str, wanted: Sequence[Wanted], now: datetime) -> None:
    """Write effects down in the transaction of their cause; each next of a kind about the same is a new generation."""
    if not wanted:
        return
    hits = {effect.hit_no for effect in wanted if effect.assignment_no is None} - {None}
    workers = {effect.worker_no for effect in wanted} - {None}
    last = {}
    if hits or workers:
        rows_before = await conn.fetch(_GENERATIONS, job_no, list(hits), list(workers))
        last = {(kind, hit_no, worker_no): generation for kind, hit_no, worker_no, generation in rows_before}
    rows = []
    for effect in wanted:
        if effect.assignment_no is not None:  # once for ever, and the market takes no token for it
            generation, name = 0, f"{effect.kind}.{job_id}.{effect.assignment_no}"
        else:
            generation = last.get((effect.kind, effect.hit_no, effect.worker_no), -1) + 1
            subject = effect.worker_no if effect.hit_no is None else effect.hit_no
            name = token(job_id, effect.kind, subject or 0, generation)
        rows.append(
            (effect.kind, effect.hit_no, effect.assignment_no, effect.worker_no, generation, name, effect.detail)
        )
    await conn.execute(_INSERT, job_no, *map(list, zip(*rows, strict=True)), now)


async def due(
    conn: Connection,
    job_no: int,
    kinds: Iterable[str],
    now: datetime,
    *,
    running: bool,
    limit: int,
    but: Sequence[int] = (),
) -> list[Effect]:
    """Return effects to send now, the oldest first, but those with some numbers."""
    return [Effect(*row) for row in await conn.fetch(_DUE, job_no, list(kinds), now, running, limit, list(but))]


async def next_due(conn: Connection, job_no: int, kinds: Iterable[str], *, running: bool) -> datetime | None:
    """Return when the next effect of these kinds falls due, if any is left."""
    at: datetime | None = await conn.fetchval(_NEXT_DUE, job_no, list(kinds), running)
    return at


async def sending(conn: Connection, effects: Sequence[Effect], now: datetime) -> None:
    """Commit, before the call, that these may be about to happen."""
    await conn.execute(_SENDING, [effect.effect_no for effect in effects], now)


async def done(conn: Connection, effects: Sequence[Effect], now: datetime) -> None:
    """Save that effects are known to have happened."""
    await conn.execute(_DONE, [effect.effect_no for effect in effects], now)


async def later(conn: Connection, effect: Effect, at: datetime, error: str) -> None:
    """Send an effect again, not before `at`."""
    await conn.execute(_LATER, effect.effect_no, at, error[:1000])


async def park(conn: Connection, effect: Effect, error: str) -> None:
    """Set an effect aside that cannot succeed until a person has done something."""
    await conn.execute(_PARK, effect.effect_no, error[:1000])


async def drop_creations(conn: Connection, job_no: int, hit_nos: Sequence[int], now: datetime) -> list[int]:
    """Drop creations that were never sent, or refused; returns the HITs that will now never be."""
    return [row["hit_no"] for row in await conn.fetch(_DROP, job_no, list(hit_nos), now)]


async def unpark(conn: Connection, job_no: int, state: str, now: datetime) -> None:
    """Send parked effects again: all of a running job, and what closes one that is being cancelled."""
    await conn.execute(_UNPARK, job_no, now, state, list(CLOSING))


async def drop_of_gone(conn: Connection, job_no: int, hit_nos: Sequence[int], now: datetime) -> None:
    """Drop what was to change HITs that are no longer on the market; what was handed in is still paid."""
    await conn.execute(_DROP_OF_GONE, job_no, list(hit_nos), now)


async def drop_more_work(conn: Connection, job_no: int, now: datetime) -> None:
    """Drop what would ask workers for more and has not been sent: of a job that is being cancelled."""
    await conn.execute(_DROP_MORE_WORK, job_no, now)
