"""Labels: each item's consensus, as it stands."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from service.store.dues import Connection

# The page comes first, so that what is joined to it is looked up row by row and no table is read from its start.
_PAGE = """
SELECT i.item_no, i.external_id, i.batch, i.is_gold, i.state, i.settled_by, i.settled_at, c.label, c.probabilities,
    c.confidence, coalesce(c.n_answers, 0), coalesce(c.revision, 0), r.run_id
FROM (
    SELECT * FROM item WHERE job_no = $1 AND item_no > $2 AND ($3 OR NOT is_gold) AND ($4::text IS NULL OR state = $4)
    ORDER BY item_no LIMIT $5
) i
LEFT JOIN consensus c ON c.job_no = i.job_no AND c.item_no = i.item_no
LEFT JOIN run r ON r.job_no = c.job_no AND r.run_no = c.run_no
ORDER BY i.item_no
"""


class LabelRow(Struct, frozen=True):
    """An item with its consensus; label, probabilities, confidence and run_id are None before the first run."""

    item_no: int
    external_id: str
    batch: str | None
    is_gold: bool
    state: str
    settled_by: str | None
    settled_at: datetime | None
    label: int | None
    probabilities: list[float] | None
    confidence: float | None
    n_answers: int
    revision: int
    run_id: str | None


async def page(
    conn: Connection, job_no: int, *, after: int, gold: bool, state: str | None, limit: int
) -> list[LabelRow]:
    """Return a job's labels in the order of its items."""
    return [LabelRow(*row) for row in await conn.fetch(_PAGE, job_no, after, gold, state, limit)]
