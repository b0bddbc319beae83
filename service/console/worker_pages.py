"""The worker report as one page, of a job and of a worker: charts and tables, to be kept or sent as a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from msgspec import UNSET

from service.console.charts import dots, histogram, line
from service.worker_columns import Columns
from service.worker_report import WorkerReport
from service.worker_view import Part, Worker

LISTED = 500  # workers with a row of their own; the figures and charts are of all
_DOTS = 2000

_STYLE = """
:root{color-scheme:light dark;--line:#d5d7de;--soft:#5b6070;--mark:#2563a8}
@media(prefers-color-scheme:dark){:root{--line:#3a3d46;--soft:#a5a9b8;--mark:#7db0ee}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:82rem;padding:1rem 1.5rem 4rem}
.charts{display:grid;margin:1rem 0;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));gap:1rem}
figure{margin:0;border:1px solid var(--line);border-radius:.4rem;padding:.6rem}figcaption{font-weight:600}
figure p,.soft{color:var(--soft);font-size:.85rem;margin:.2rem 0}svg{width:100%;height:auto}
svg text{font-size:11px;fill:var(--soft)}rect,circle{fill:var(--mark)}circle{fill-opacity:.7}
.suspended{fill:#c62828}.watched{fill:#d98200}.trusted{fill:#2e8b57}
.grid{stroke:var(--line)}.line{fill:none;stroke:var(--mark);stroke-width:2}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.2rem .5rem;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
th{white-space:normal;vertical-align:bottom}.text{text-align:left}td.long{white-space:normal;overflow-wrap:anywhere;min-width:min(20rem,45vw)}
h1,h2{overflow-wrap:anywhere}@media(max-width:40rem){td.text{white-space:normal}}
"""
_HEADS = ("worker", "trust", "answers", "gold", "at least", "quality", "spammer score", "agreement", "s/answer",
          "$/hour", "¢/right", "changes", "market's id")  # fmt: skip
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


def job_page(name: str, report: WorkerReport, places: Sequence[int], *, identify: bool) -> str:
    """Return the page of a job's workers, in the order that was asked for."""
    chosen = Columns(report, places)
    figure = {name: chosen.figure(name) for name in report.figures}
    standing = report.states[np.asarray(places, dtype=np.int64)]
    states = ", ".join(
        f"{np.count_nonzero(standing == state):,} {state}" for state in ("trusted", "probation", "watched", "suspended")
    )
    changes = [(number, change) for number, found in enumerate(chosen.changes) for change in found]
    summary = (
        f"{len(places):,} workers: {states}. {figure['answers'].sum():,} answers; "
        f"${figure['pay_cents'].sum() / 100:,.2f} paid; {sum(map(bool, chosen.changes)):,} with a change in their work."
    )
    at_work = figure["answers"] > 0
    gold = np.where(figure["gold_total"] > 0, figure["gold_low"], np.nan)
    charts = (
        _quality_by_answers(chosen, np.flatnonzero(at_work), figure),
        histogram("Accuracy that gold shows, low end", gold[at_work], "accuracy"),
        histogram("Agreement with others", figure["agreement"][at_work], "share of the others' answers"),
        histogram("Time for an answer", figure["seconds_per_answer"][at_work], "active seconds"),
        histogram("Pay for an hour", figure["pay_per_hour_cents"][at_work] / 100, "US dollars"),
        histogram("Cost of a right answer", figure["cost_per_right_cents"][at_work], "cents"),
    )
    listed = Columns(report, places[:LISTED]).views(identify=identify)
    more = "" if len(places) <= LISTED else f"The first {LISTED} of {len(places):,}; CSV and Parquet have all."
    told = sorted((change.at, chosen.rows[number].worker_id, change.reason) for number, change in changes)
    body = Markup('<p>{}</p><div class="charts">{}</div><h2>Workers</h2><p class="soft">{}</p>{}{}').format(
        summary,
        Markup("").join(charts),
        more,
        _table(_HEADS if identify else _HEADS[:-1], [_row(one)[: None if identify else -1] for one in listed]),
        _section("Changes", ("when", "worker", "what"), told[:LISTED]),
    )
    return _page(f"Workers of {name}", body)


def _quality_by_answers(chosen: Columns, at_work: npt.NDArray[np.int64], figure: Mapping[str, Any]) -> Markup:
    step = max(1, -(-at_work.size // _DOTS))
    points = [
        (float(figure["answers"][at]), float(figure["quality"][at]), chosen.rows[at].state, chosen.rows[at].worker_id)
        for at in at_work[::step].tolist()
        if np.isfinite(figure["quality"][at])
    ]
    return dots(
        "Quality by answers" + (f", one worker in {step}" if step > 1 else ""), points, "answers", "quality",
        "red suspended, orange watched, green trusted, blue probation",
    )  # fmt: skip


def _row(one: Worker) -> tuple[Any, ...]:
    return (
        one.worker, one.state, one.answers, f"{one.gold.right}/{one.gold.total}" if one.gold.total else "",
        _share(one.gold.low if one.gold.total else None),
        _two(one.quality), _two(one.spammer_score), _share(one.agreement.share), _two(one.seconds_per_answer),
        _two(one.pay_per_hour_cents, 100), _two(one.cost_per_right_cents), len(one.drift) or "",
        one.market_worker_id,
    )  # fmt: skip


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
        ("active time", _time(one.active_seconds)),
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


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{timedelta(seconds=round(seconds))}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _two(value: float | None, divisor: float = 1, form: str = "{}") -> str:
    return "" if value is None else form.format(f"{value / divisor:.2f}")
