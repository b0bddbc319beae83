"""What happened to a job that a person should be able to read later."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from service.store.dues import Connection

_RECORD = "INSERT INTO job_event (job_no, at, kind, message, detail) VALUES ($1, $2, $3, $4, $5)"


async def record(
    conn: Connection, job_no: int, at: datetime, kind: str, message: str, detail: dict[str, Any] | None = None
) -> None:
    """Write down an event of a job, in the caller's transaction."""
    await conn.execute(_RECORD, job_no, at, kind, message, detail or {})
