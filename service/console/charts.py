"""Charts as inline SVG: no script, nothing loaded, every text escaped; a mark tells its figures where one points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

WIDTH, HEIGHT = 460, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 22, 24, 34

Point = tuple[float, float]


def _place(value: float, low: float, high: float, start: float, end: float) -> float:
    return round(start + (end - start) * ((value - low) / (high - low) if high > low else 0.5), 1)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")


def _tick(ends: tuple[float, float], share: float) -> str:
    """Name a place on an axis; half of a count has no name."""
    value = ends[0] + share * (ends[1] - ends[0])
    counts = all(float(end).is_integer() for end in ends) and ends[1] - ends[0] > 1
    return "" if counts and not float(value).is_integer() else _number(value)


def _frame(
    title: str, x: tuple[float, float], y: tuple[float, float], x_name: str, y_name: str, body: Markup, note: str = ""
) -> Markup:
    """Draw axes with their names, ends and middles, and what is in them; the note stands below."""
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    ticks = []
    for share in (0, 0.5, 1):
        across, up = _LEFT + share * (right - _LEFT), bottom - share * (bottom - _TOP)
        ticks.append(
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(across, bottom + 14, _tick(x, share))
        )
        ticks.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text><path class="grid" d="M{} {}H{}"/>').format(
                _LEFT - 5, up + 4, _tick(y, share), _LEFT, up, right
            )
        )
    return Markup(
        '<figure><figcaption>{title}</figcaption><svg viewBox="0 0 {w} {h}" role="img" aria-label="{title}">'
        '{ticks}{body}<text x="{middle}" y="{foot}" text-anchor="middle">{x}</text>'
        '<text x="2" y="{head}">{y}</text></svg>{note}</figure>'
    ).format(
        title=title,
        w=WIDTH,
        h=HEIGHT,
        ticks=Markup("").join(ticks),
        body=body,
        middle=(_LEFT + right) / 2,
        foot=HEIGHT - 4,
        x=x_name,
        y=y_name,
        head=_TOP - 12,
        note=Markup("<p>{}</p>").format(note) if note else "",
    )


def histogram(title: str, values: npt.NDArray[np.float64], x_name: str) -> Markup:
    """Draw how many workers have which figure, NaN where it is not known; what exceeds the 99th percentile is at it."""
    known = values[np.isfinite(values)]
    if not known.size:
        return nothing(title)
    known = np.minimum(known, np.quantile(known, 0.99))
    low, high = float(known.min()), float(known.max())
    high = high if high > low else low + 1
    counts, edges = np.histogram(known, bins=24, range=(low, high))
    bottom, most = HEIGHT - _BOTTOM, int(counts.max())
    bars = []
    for count, start, end in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        left = _place(start, low, high, _LEFT, WIDTH - _RIGHT)
        across = _place(end, low, high, _LEFT, WIDTH - _RIGHT) - left - 1
        top = _place(count, 0, most, bottom, _TOP)
        bars.append(
            Markup('<rect x="{}" y="{}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>').format(
                left, top, across, bottom - top, f"{start:.3g} to {end:.3g}: {count}"
            )
        )
    return _frame(title, (low, high), (0, most), x_name, "workers", Markup("").join(bars))


def dots(
    title: str, points: Sequence[tuple[float, float, str, str]], x_name: str, y_name: str, note: str = ""
) -> Markup:
    """Draw a dot for each (x, y, class, text); y goes from 0 to 1."""
    if not points:
        return nothing(title)
    low, high = min(point[0] for point in points), max(point[0] for point in points)
    bottom = HEIGHT - _BOTTOM
    marks = [
        Markup('<circle class="{}" cx="{}" cy="{}" r="3.5"><title>{}</title></circle>').format(
            kind, _place(x, low, high, _LEFT, WIDTH - _RIGHT), _place(y, 0, 1, bottom, _TOP), text
        )
        for x, y, kind, text in points
    ]
    return _frame(title, (low, high), (0, 1), x_name, y_name, Markup("").join(marks), note)


def line(title: str, values: Sequence[float | None], most: float, x_name: str, y_name: str) -> Markup:
    """Draw figures one after the other; gaps where one is not known."""
    known = [(place, value) for place, value in enumerate(values, start=1) if value is not None]
    if not known:
        return nothing(title)
    last, bottom = max(len(values), 2), HEIGHT - _BOTTOM
    at = [
        (_place(place, 1, last, _LEFT, WIDTH - _RIGHT), _place(value, 0, most, bottom, _TOP)) for place, value in known
    ]
    path = "M" + "L".join(f"{x} {y}" for x, y in at)
    marks = [
        Markup('<circle cx="{}" cy="{}" r="4"><title>{}</title></circle>').format(x, y, f"{value:.3g}")
        for (x, y), (_, value) in zip(at, known, strict=True)
    ]
    body = Markup('<path class="line" d="{}"/>{}').format(path, Markup("").join(marks))
    return _frame(title, (1, last), (0, most), x_name, y_name, body)


def nothing(title: str) -> Markup:
    """Say that there is nothing to draw."""
    return Markup("<figure><figcaption>{}</figcaption><p>Nothing is known.</p></figure>").format(title)
