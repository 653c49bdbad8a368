"""Figures of the page *Inspect* as plain HTML and SVG: they need no script, so they stand in exported files too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.html import Child, Html, tag

ROW = 46
"""Height of a line of a ranking in pixels; the style sheet has it too."""


@dataclass(frozen=True)
class RankedPlace:
    """One candidate in one ranking."""

    key: int
    """The same for the same candidate in all rankings."""
    rank: float
    share: float
    """Its part of the whole, 0 to 1: the bar."""
    label: Child
    """Title and what belongs to it; empty where the candidate is named beside."""
    mark: str = ""
    """``chosen``, ``target`` or both, parted by a blank."""
    hint: str = ""


@dataclass(frozen=True)
class Ranking:
    """One model's order, best first."""

    heading: str
    note: str
    places: Sequence[RankedPlace]
    total: int
    """Candidates in all; fewer may be listed."""


def rankings(columns: Sequence[Ranking], name: str) -> Html:
    """Rankings side by side, the same candidates joined by lines.

    Args:
        name: what a screen reader calls it.
    """
    parts: list[Html] = []
    for number, column in enumerate(columns):
        if number:
            parts.append(_lines(columns[number - 1], column))
        parts.append(_column(column))
    return tag("div", parts, class_=f"dr-ranks dr-ranks-{len(columns)}", role="group", aria_label=name)


def _column(column: Ranking) -> Html:
    head = tag("header", tag("b", column.heading), tag("small", column.note))
    rows, before = [], 0.0
    for place in column.places:
        gap = place.rank - before > 1.5
        rows.append(_row(place, gap))
        before = place.rank
    return tag("section", head, tag("ol", rows), class_="dr-rank")


def _row(place: RankedPlace, gap: bool) -> Html:
    marks = "".join(f" dr-{mark}" for mark in place.mark.split())
    return tag(
        "li",
        tag("span", f"{place.rank:g}", class_="dr-place"),
        tag("div", place.label, class_="dr-what"),
        tag("span", percent(place.share), class_="dr-share", title=place.hint or None),
        tag("i", class_="dr-bar-of", style=f"width:{100 * max(0.0, min(1.0, place.share)):.1f}%", aria_hidden="true"),
        class_=f"dr-line{marks}{' dr-gap' if gap else ''}",
        data_item=place.key,
    )


def _lines(left: Ranking, right: Ranking) -> Html:
    """SVG between two columns; stretched sideways, so only the heights are exact."""
    rows = {place.key: number for number, place in enumerate(right.places)}
    height = ROW * max(len(left.places), len(right.places))
    paths = []
    for number, place in enumerate(left.places):
        start = ROW * (number + 0.5)
        other = rows.get(place.key)
        kind = "".join(f" dr-{mark}" for mark in place.mark.split())
        if other is None:
            continue
        end = ROW * (other + 0.5)
        paths.append(Html(f'<path class="dr-join{kind}" d="M0 {start:g}C50 {start:g} 50 {end:g} 100 {end:g}"/>'))
    svg = Html(f'<svg viewBox="0 0 100 {height}" height="{height}" preserveAspectRatio="none" aria-hidden="true">')
    return tag("div", Html(f"{svg}{''.join(paths)}</svg>"), class_="dr-joins")


def effect_bar(value: float | None, largest: float, who: str) -> Html:
    """A signed number with its bar to the left or right of the middle; sign, side and words say it without colour."""
    if value is None:
        return tag("span", tag("span", who, class_="dr-who"), tag("span", "…", class_="dr-signed"), class_="dr-effect")
    width = 50 * min(1.0, abs(value) / largest) if largest > 0 else 0.0
    side = "left:50%" if value >= 0 else f"left:{50 - width:.1f}%"
    kind = "dr-for" if value > 0 else "dr-against" if value < 0 else ""
    bar = tag("i", class_=kind, style=f"{side};width:{width:.1f}%")
    return tag(
        "span",
        tag("span", who, class_="dr-who"),
        tag("span", bar, class_="dr-track", aria_hidden="true"),
        tag("span", signed(value), class_=f"dr-signed {kind}"),
        class_="dr-effect",
    )


def signed(value: float) -> str:
    """``+1.10``, ``−0.26``; small ones keep two digits that say something, and zero has no minus."""
    text = f"{abs(value):.2f}" if abs(value) >= 0.1 or value == 0 else f"{abs(value):.2g}"
    if "e" in text:
        return "+0.00"
    return f"{'−' if value < 0 else '+'}{text}"


def percent(share: float) -> str:
    """``23 %``, ``4.5 %``, ``< 0.1 %``."""
    value = 100 * share
    if 0 < value < 0.1:
        return "< 0.1 %"
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.1f} %"


def shares(scores: Sequence[float]) -> list[float]:
    """Softmax of one model's scores; the parts add up to 1."""
    top = max(scores)
    raised = [math.exp(score - top) for score in scores]
    whole = sum(raised)
    return [value / whole for value in raised]
