"""The worker report as one page, of a job and of a worker: charts and tables, to be kept or sent as a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from markupsafe import Markup
from msgspec import UNSET

from service.console.charts import dots, histogram, line
from service.worker_report import Part, Worker

LISTED = 500  # workers with a row of their own; the figures and charts are of all
_DOTS = 2000

_STYLE = """
:root{color-scheme:light dark;--line:#d5d7de;--soft:#5b6070;--mark:#2563a8}
@media(prefers-color-scheme:dark){:root{--line:#3a3d46;--soft:#a5a9b8;--mark:#7db0ee}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:82rem;padding:1rem 1.5rem 4rem}
.charts{display:grid;margin:1rem 0;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:1rem}
figure{margin:0;border:1px solid var(--line);border-radius:.4rem;padding:.6rem}figcaption{font-weight:600}
figure p,.soft{color:var(--soft);font-size:.85rem;margin:.2rem 0}svg{width:100%;height:auto}
svg text{font-size:11px;fill:var(--soft)}rect,circle{fill:var(--mark)}circle{fill-opacity:.7}
.suspended{fill:#c62828}.watched{fill:#d98200}.trusted{fill:#2e8b57}
.grid{stroke:var(--line)}.line{fill:none;stroke:var(--mark);stroke-width:2}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.2rem .5rem;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
th{white-space:normal;vertical-align:bottom}.text{text-align:left}td.long{white-space:normal;overflow-wrap:anywhere}
"""
_WORDS = re.compile(r"[^\W\d_]|\d-\d")
_LONG = 60  # characters: longer text is broken over lines
_UNKNOWN = "not known"
_PAGE = Markup(
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title><style>{style}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>"
)


class Stood(Protocol):
    """A change of what was believed of a worker."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def state(self) -> str:
        """To what."""

    @property
    def by(self) -> str:
        """By whom."""

    @property
    def reason(self) -> str:
        """Why."""


def job_page(name: str, workers: Sequence[Worker]) -> str:
    """Return the page of a job's workers, in the order that was asked for."""
    at_work = [one for one in workers if one.answers]
    states = ", ".join(
        f"{sum(one.state == state for one in workers):,} {state}"
        for state in ("trusted", "probation", "watched", "suspended")
    )
    pay = sum(one.pay_cents for one in workers)
    summary = (
        f"{len(workers):,} workers: {states}. {sum(one.answers for one in workers):,} answers; ${pay / 100:,.2f} paid; "
        f"{sum(bool(one.drift) for one in workers):,} with a change in their work."
    )
    step = max(1, -(-len(at_work) // _DOTS))
    points = [
        (float(one.answers), one.quality, one.state, one.worker) for one in at_work[::step] if one.quality is not None
    ]
    rows = [
        (one.worker, one.state, one.answers, f"{one.gold.right}/{one.gold.total}" if one.gold.total else "",
         _share(one.gold.low if one.gold.total else None),
         _two(one.quality), _two(one.spammer_score), _share(one.agreement.share), _two(one.seconds_per_answer),
         _two(one.pay_per_hour_cents, 100), _two(one.cost_per_right_cents), len(one.drift) or "",
         "" if one.market_worker_id is UNSET else one.market_worker_id)
        for one in workers[:LISTED]
    ]  # fmt: skip
    heads = ("worker", "trust", "answers", "gold", "at least", "quality", "spammer score", "agreement", "s/answer",
             "$/hour", "¢/right", "changes", "market's id")  # fmt: skip
    charts = (
        dots(
            "Quality by answers" + (f", one worker in {step}" if step > 1 else ""), points, "answers", "quality",
            "red suspended, orange watched, green trusted, blue probation",
        ),
        histogram("Accuracy that gold shows, low end", (o.gold.low for o in at_work if o.gold.total), "accuracy"),
        histogram("Agreement with others", (one.agreement.share for one in at_work), "share of the others' answers"),
        histogram("Time for an answer", (one.seconds_per_answer for one in at_work), "active seconds"),
        histogram("Pay for an hour", (_over(one.pay_per_hour_cents) for one in at_work), "US dollars"),
        histogram("Cost of a right answer", (one.cost_per_right_cents for one in at_work), "cents"),
    )  # fmt: skip
    more = "" if len(workers) <= LISTED else f"The first {LISTED} of {len(workers):,}; CSV and Parquet have all."
    changes = [(change.at, one.worker, change.reason) for one in workers for change in one.drift]
    body = Markup('<p>{}</p><div class="charts">{}</div><h2>Workers</h2><p class="soft">{}</p>{}{}').format(
        summary,
        Markup("").join(charts),
        more,
        _table(heads, rows),
        _section("Changes", ("when", "worker", "what"), sorted(changes)[:LISTED]),
    )
    return _page(f"Workers of {name}", body)


def worker_page(name: str, one: Worker, reason: str, history: Iterable[Stood], over_time: Sequence[Part]) -> str:
    """Return the page of one worker of a job."""
    slowest = max((part.seconds_per_answer or 0 for part in over_time), default=0) or 1
    charts = (
        line(
            "Gold", [part.gold_right / part.gold_total if part.gold_total else None for part in over_time], 1,
            "stretch of answers", "share right",
        ),
        line("Agreement", [part.agreement for part in over_time], 1, "stretch of answers", "share of others alike"),
        line("Time", [part.seconds_per_answer for part in over_time], slowest, "stretch of answers", "seconds each"),
    )  # fmt: skip
    figures = [
        ("answers, assignments, rejected", f"{one.answers}, {one.assignments}, {one.rejected}"),
        ("gold", _of_gold(one)),
        ("quality", _two(one.quality)),
        ("expected cost", _two(one.expected_cost)),
        ("spammer score", _two(one.spammer_score)),
        ("agreement", f"{_share(one.agreement.share) or _UNKNOWN} over {one.agreement.answers} answers"),
        ("seconds for an answer", _two(one.seconds_per_answer)),
        ("paid, with fees", f"${one.pay_cents / 100:.2f}, ${one.cost_cents / 100:.2f}"),
        ("pay for an hour", _two(one.pay_per_hour_cents, 100, "${}")),
        ("cost of a right answer", _two(one.cost_per_right_cents, 1, "{} cents")),
    ]
    if one.market_worker_id is not UNSET:
        figures.append(("market's id", str(one.market_worker_id)))
    confusion = Markup("")
    if one.confusion is not None:
        labels = one.confusion.labels
        shares = [(true, *map(_share, row)) for true, row in zip(labels, one.confusion.rows, strict=True)]
        confusion = _section("Answers by true label", ("true", *labels), shares)
    by_label = [(o.label, f"{o.right:g}/{o.total:g}", f"{o.low:.0%} to {o.high:.0%}") for o in one.gold_by_label]
    body = Markup('<p><strong>{}</strong> by {}. {}</p>{}<div class="charts">{}</div>{}{}{}{}').format(
        one.state.capitalize(),
        {"policy": "the policy", "person": "a person"}[one.state_by],
        reason,
        _table(("figure", "value"), [(name, value or _UNKNOWN) for name, value in figures]),
        Markup("").join(charts),
        confusion,
        _section("Gold by label", ("label", "right", "accuracy (90%)"), by_label),
        _section("Changes", ("when", "what"), [(change.at, change.reason) for change in one.drift]),
        _section("Trust", ("when", "state", "by", "reason"), [(o.at, o.state, o.by, o.reason) for o in history]),
    )
    return _page(f"{one.worker} in {name}", body)


def _page(title: str, body: Markup) -> str:
    return str(_PAGE.format(title=title, style=Markup(_STYLE.replace("\n", "")), body=body))  # noqa: S704 - ours


def _section(title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Markup:
    return Markup("<h2>{}</h2>{}").format(title, _table(heads, rows)) if rows else Markup("")


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markup:
    """Draw a table; columns with words or times in them stand to the left, numbers to the right."""
    cells = [[f"{one:%Y-%m-%d %H:%M}" if isinstance(one, datetime) else str(one) for one in row] for row in rows]
    text = [place == 0 or any(_WORDS.search(row[place]) for row in cells) for place in range(len(heads))]
    return Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        Markup("").join(
            Markup('<th scope="col"{}>{}</th>').format(_kind("text" * left), head)
            for head, left in zip(heads, text, strict=True)
        ),
        Markup("").join(
            Markup("<tr>{}</tr>").format(
                Markup("").join(
                    Markup("<td{}>{}</td>").format(_kind("text" * left + " long" * (len(cell) > _LONG)), cell)
                    for cell, left in zip(row, text, strict=True)
                )
            )
            for row in cells
        ),
    )


def _kind(names: str) -> Markup:
    return Markup(' class="{}"').format(names) if names else Markup("")


def _of_gold(one: Worker) -> str:
    gold = one.gold
    return f"{gold.right} of {gold.total}; {gold.low:.0%} to {gold.high:.0%} accurate (90%)" if gold.total else ""


def _over(cents: float | None) -> float | None:
    return None if cents is None else cents / 100


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _two(value: float | None, divisor: float = 1, form: str = "{}") -> str:
    return "" if value is None else form.format(f"{value / divisor:.2f}")
