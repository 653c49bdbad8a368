"""Curves over logarithmic axes as an SVG that needs nothing else to be looked at, in light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

PANEL, HEIGHT, LEFT, TOP, BOTTOM, GAP = 300, 260, 56, 34, 44, 24
LEGEND = 18
COLOURS = ("#2f6fde", "#d9622b", "#1f9d70", "#a04fc4", "#b8860b", "#c2385a")
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #333 } .axis, .grid { stroke: #999; stroke-width: 1 }
.grid { stroke-opacity: .25 } .title { font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } }
</style>"""


@dataclass(frozen=True)
class Curve:
    """Seconds by size, and the exponent of the growth."""

    name: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    exponent: float


def draw(panels: Mapping[str, Sequence[Curve]]) -> str:
    """A panel for each quantity, side by side, with its legend below."""
    most = max(map(len, panels.values()))
    width = len(panels) * (LEFT + PANEL + GAP)
    height = TOP + HEIGHT + BOTTOM + most * LEGEND + 8
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">', STYLE,
             "<title>Processor seconds by history length, candidates and catalogue size</title>"]  # fmt: skip
    for number, (axis, curves) in enumerate(panels.items()):
        parts.append(f'<g transform="translate({number * (LEFT + PANEL + GAP) + LEFT},{TOP})">')
        parts += _panel(axis, curves)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(axis: str, curves: Sequence[Curve]) -> list[str]:
    sizes = curves[0].sizes
    low = math.floor(math.log10(min(s for curve in curves for s in curve.seconds)))
    high = math.ceil(math.log10(max(s for curve in curves for s in curve.seconds)))
    span = math.log(sizes[-1] / sizes[0])

    def x(size: float) -> float:
        return 8 + (PANEL - 16) * math.log(size / sizes[0]) / span

    def y(seconds: float) -> float:
        return HEIGHT * (high - math.log10(seconds)) / (high - low)

    parts = [f'<text class="title" x="0" y="-14">Processor seconds by {escape(axis)}</text>']
    for power in range(low, high + 1):
        parts.append(f'<line class="grid" x1="0" x2="{PANEL}" y1="{y(10**power):.1f}" y2="{y(10**power):.1f}"/>')
        parts.append(f'<text x="-6" y="{y(10**power) + 4:.1f}" text-anchor="end">{10**power:g}</text>')
    for size in sizes:
        parts.append(f'<text x="{x(size):.1f}" y="{HEIGHT + 18}" text-anchor="middle">{size:,}</text>')
    parts.append(f'<path class="axis" fill="none" d="M0 0V{HEIGHT}H{PANEL}"/>')
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        points = [(x(size), y(seconds)) for size, seconds in zip(curve.sizes, curve.seconds, strict=True)]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        below = HEIGHT + BOTTOM + number * LEGEND
        parts.append(f'<rect x="0" y="{below - 9}" width="12" height="4" fill="{colour}"/>')
        parts.append(f'<text x="20" y="{below - 3}">{escape(curve.name)}: exponent {curve.exponent:.2f}</text>')
    return parts
