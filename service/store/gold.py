"""Gold: which label values of which items are known to be right."""

from __future__ import annotations

from service.store.dues import Connection

_ADD = """
INSERT INTO gold (job_no, item_no, accepted, accepted_labels)
SELECT i.job_no, i.item_no, u.accepted,
    ARRAY(SELECT (a ->> 'label')::int2 FROM jsonb_array_elements(u.accepted) AS a ORDER BY 1)
FROM upload u JOIN item i ON i.job_no = $1 AND i.external_id = u.external_id
WHERE NOT EXISTS (SELECT FROM gold g WHERE g.job_no = i.job_no AND g.item_no = i.item_no)
"""
_UNUSED = """
SELECT count(*) FROM item i WHERE i.job_no = $1 AND i.is_gold AND i.state = 'open'
    AND NOT EXISTS (SELECT FROM hit_slot s WHERE s.job_no = i.job_no AND s.item_no = i.item_no AND NOT s.gone)
"""


async def add_staged(conn: Connection, job_no: int) -> None:
    """Store the accepted labels of the staged lines, once their items are stored."""
    await conn.execute(_ADD, job_no)


async def unused(conn: Connection, job_no: int) -> int:
    """Count the gold items that stand in no HIT yet."""
    return int(await conn.fetchval(_UNUSED, job_no))
