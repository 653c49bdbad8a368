"""Charts in the page. A box stays where it is; what it shows is handed over beside it and drawn into it by the script.

``gr.Plot`` builds its chart anew with every value, which loses the zoom and flickers; ``Plotly.react`` does neither.
"""

from __future__ import annotations

from collections.abc import Sequence

from plotly.io.json import to_json_plotly

from webapp.charts import PlotlyFigure
from webapp.html import Html, tag

Figures = Sequence[tuple[str, PlotlyFigure]]
"""Figures with their headings; each has an ``uirevision`` of its own, by which the page knows it again."""


def chart_box(name: str) -> Html:
    """The place of the charts called ``name``; never changes."""
    return tag("div", class_="dr-plots", data_charts=name)


def chart_data(name: str, figures: Figures) -> Html:
    """What the box called ``name`` shows now: axes without a point are no figure."""
    drawn = [(title, it) for title, it in figures if any(len(trace["x"]) for trace in it["data"])]
    packed = [{"title": title, "figure": figure} for title, figure in drawn]
    return tag("div", hidden=True, data_charts_for=name, data_figures=to_json_plotly(packed))
