"""Reading: what can be taken of what was handed in, and what has to be doubted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from service.markets import Market
from service.markets.market import HandedIn, Refused, Unreadable
from service.store.assignments import Read

Key = tuple[str, str]


def key_of(one: HandedIn) -> Key:
    """Return what tells assignments apart: an id alone has been seen with two workers."""
    return one.market_assignment_id, one.market_worker_id


async def strays(market: Market, found: Sequence[HandedIn], known: Collection[Key]) -> dict[Key, str]:
    """Return which of the assignments found are another's work listed a second time, and how that is known.

    What we hold already stays, as it may be paid by now. Of several that are new the market is asked whose it is, and
    the first is taken where its answer helps no further. So no piece of work weighs or is paid twice.
    """
    held = {id_ for id_, _ in known}
    workers: dict[str, list[str]] = {}
    for one in found:
        if key_of(one) not in known:
            workers.setdefault(one.market_assignment_id, []).append(one.market_worker_id)
    doubted: dict[Key, str] = {}
    for id_, named in workers.items():
        if id_ not in held and len(named) == 1:
            continue
        try:
            owner = await market.worker_of(id_)
        except Refused:
            owner = ""
        keeper = None if id_ in held else owner if owner in named else named[0]
        for worker in named:
            if worker != keeper:
                doubted[id_, worker] = (
                    f"the market lists assignment {id_} under a second worker; it is one piece of work, counted and "
                    f"paid once, under the other{': asked, the market says this one' if owner == worker else ''}"
                )
    return doubted


def read(
    hit_no: int, one: HandedIn, item_nos: Sequence[int], n_labels: int, market: Market, *, stray: str | None = None
) -> Read:
    """Read one assignment: the answers that can be read, and what is wrong with the rest.

    A `stray` is kept with that as what is wrong, and not read: it is the same work as another's.
    """
    answers: list[tuple[int, int, int]] = []
    problems: list[str] = []
    try:
        fields = {} if stray is not None else market.read_answers(one.raw)
    except Unreadable as error:
        fields = {}
        problems.append(str(error))
    else:
        if stray is not None:
            problems.append(stray)
            item_nos = ()
        for slot, item_no in enumerate(item_nos, start=1):
            text = fields.get(f"q{slot}", "").strip()
            if text.isascii() and text.isdecimal() and len(text) <= 4 and int(text) < n_labels:
                answers.append((slot, item_no, int(text)))
            else:
                problems.append(
                    f"q{slot}: {text[:40]!r} is none of the job's label values" if text else f"q{slot} is missing"
                )
    return Read(
        hit_no=hit_no,
        market_assignment_id=one.market_assignment_id,
        market_worker_id=one.market_worker_id,
        state="stray" if stray is not None else "rejected" if one.state == "rejected" else "submitted",
        accepted_at=one.accepted_at,
        submitted_at=one.submitted_at,
        approve_by=one.approve_by,
        raw=one.raw,
        problem="; ".join(problems)[:2000] or None,
        answers=tuple(answers),
    )
