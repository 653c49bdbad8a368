"""Plots as static SVG, for files that need no script."""

from __future__ import annotations

from collections.abc import Sequence

from webapp.charts import ChartEstimate, colour, cut
from webapp.html import Html, tag

WIDTH, ROW, LEFT, RIGHT = 760, 30, 300, 20
LONGEST = 36


def intervals(estimates: Sequence[ChartEstimate], title: str) -> Html:
    """A row for each value: a dot with its interval, on an axis that begins at zero or below."""
    low, high = min(0.0, *(it.low for it in estimates)), max(it.high for it in estimates)
    span = (high - low) or 1.0
    below = ROW * len(estimates)

    def x(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / span, 1)

    parts = []
    for tick in (low + span * part / 4 for part in range(5)):
        parts.append(tag("line", x1=str(x(tick)), x2=str(x(tick)), y1="0", y2=str(below), stroke="currentColor",
                         opacity=".15"))  # fmt: skip
        parts.append(tag("text", f"{tick:.3f}", x=str(x(tick)), y=str(below + 16), text_anchor="middle"))
    for number, it in enumerate(estimates):
        y, ink = str(ROW * number + ROW // 2), colour(number if it.place is None else it.place)
        words = f"{it.label}: {it.value:.3f}, {it.low:.3f} to {it.high:.3f}"
        parts.append(
            tag("text", cut(it.label, LONGEST), x=str(LEFT - 14), y=y, text_anchor="end", dominant_baseline="middle")
        )
        line = tag("line", x1=str(x(it.low)), x2=str(x(it.high)), y1=y, y2=y, stroke=ink, stroke_width="2")
        parts.append(tag("g", tag("title", words), line, tag("circle", cx=str(x(it.value)), cy=y, r="5", fill=ink)))
    view = f"0 0 {WIDTH} {below + 24}"
    figure = tag("svg", parts, viewBox=view, role="img", aria_label=title, class_="dr-svg")
    return tag("figure", tag("figcaption", title, class_="dr-chart-title"), figure)
