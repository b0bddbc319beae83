"""What goes into a gold bank or comes out of it: found, checked, and staged as the lines of an upload."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from service.api.problems import Error, Refusal, named
from service.api.uploads import scratch
from service.spec import Spec, SpecError
from service.spec_reading import check_spec
from service.store import gold_banks, items
from service.store.dues import Connection
from service.store.gold_banks import Bank
from service.upload.line import GoldLine, LineError, LineReader
from service.upload.reading import MOST_NAMED

_MOST_REDUNDANCY = {"minimum": 1, "maximum": 100}


def spec_of(task: dict[str, Any]) -> Spec:
    """Return the plainest spec that has a task, by which its gold is checked.

    Raises
    ------
    Refusal
        422, where there is none.
    """
    plain = {"name": "gold", "task": task, "reward": "0.01", "budget": "1.00", "allow_ten_or_more": True}
    try:
        return check_spec(plain | {"redundancy": _MOST_REDUNDANCY})
    except SpecError as error:
        detail = f"The body is not valid: {error.wrong[0]}"
        raise Refusal("invalid-content", detail, errors=named(error.wrong)) from None


async def stage_gold(conn: Connection, lines: Sequence[GoldLine], spec: Spec, *, unfit: str) -> None:
    """Stage gold as the lines of an upload are staged.

    Raises
    ------
    Refusal
        409, which begins with `unfit`, where the spec refuses a line.
    """
    reader = LineReader(spec)
    async with scratch() as rows:
        text = io.TextIOWrapper(rows, encoding="utf-8", newline="")
        writer = csv.writer(text)
        for number, line in enumerate(lines, start=1):
            try:
                row = reader.row(line)
            except LineError as error:
                raise Refusal(
                    "bank-differs",
                    f"{unfit}: {line.external_id}: {error.wrong[0]}",
                    errors=[Error(one.message, field=one.field, external_id=line.external_id) for one in error.wrong],
                ) from None
            writer.writerow((number, *msgspec.structs.astuple(row)))
        text.flush()
        text.detach()
        rows.seek(0)
        await items.stage(conn, rows)


async def refuse_differing(conn: Connection, bank: Bank) -> None:
    """Refuse staged lines that a bank has with other content.

    Raises
    ------
    Refusal
        409, naming them.
    """
    differing = await gold_banks.differing(conn, bank.bank_no, MOST_NAMED)
    if differing:
        raise Refusal(
            "items-differ",
            f"{differing[0].total} of these external_ids are in the bank with other content; nothing was stored. "
            "Correct them there, or send new external_ids.",
            errors=[
                Error(f"is there with another {', '.join(one.fields)}", line=one.line_no, external_id=one.external_id)
                for one in differing
            ],
            errors_total=differing[0].total,
        )
