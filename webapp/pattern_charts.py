"""Figures of the page about the distilled pattern and the trust in explanations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.evaluate.render import MEASURES
from webapp.charts import (
    GREY,
    PALETTE,
    ChartEstimate,
    Line,
    Panel,
    PlotlyFigure,
    dress,
    interval_figure,
    line_figure,
    plain,
    titled,
)

ORDERS = {"loo": "Leave-one-out", "ig": "Integrated gradients", "random": "Random order"}
MODULE = re.compile(r"\.(\d+)\.(?:.*\.)?([^.]+)$")
"""Layer and kind in a module's name."""


def agreement_figures(found: Mapping[str, Any], names: Mapping[str, str], key: str) -> list[tuple[str, PlotlyFigure]]:
    """One chart per measure: each state with its interval."""
    figures = []
    for measure, title in MEASURES.items():
        rows = [ChartEstimate(names[state], **values[measure]["figure"]) for state, values in found.items()]
        figures.append((title, interval_figure({title: rows}, "agreement", key=f"{key}/{measure}")))
    return figures


def recency_figure(
    profiles: Mapping[str, Sequence[Mapping[str, float]]], names: Mapping[str, str], key: str
) -> PlotlyFigure:
    """Mean effect by position, the newest title at the left."""
    traces = [
        {
            "type": "scatter",
            "x": list(range(1, len(positions) + 1)),
            "y": [it["value"] for it in positions],
            "name": plain(names[name]),
            "mode": "lines+markers",
            "line": {"width": 3 if name == "teacher" else 2, "color": PALETTE[place % len(PALETTE)]},
            "marker": {"size": 5},
            "customdata": [[it["low"], it["high"]] for it in positions],
            "hovertemplate": "%{y:.2f} [%{customdata[0]:.2f}, %{customdata[1]:.2f}]",
        }
        for place, (name, positions) in enumerate(profiles.items())
    ]
    axis = {"title": titled("effect, own mean = 1")}
    return dress(traces, key, "titles ago (1 is the newest)", legend=True, height=320, yaxis=axis)


def task_figure(tasks: Mapping[str, Sequence[Mapping[str, float]]], key: str) -> PlotlyFigure:
    """Accuracy in stage 1's tasks by step."""
    lines = [
        Line(name.upper(), tuple(int(p["step"]) for p in points), tuple(p["value"] for p in points))
        for name, points in tasks.items()
    ]
    return line_figure(Panel("Validation accuracy", tuple(lines)), unit="step", key=key)


def rank_figure(ranks: Mapping[str, int], most: int, key: str) -> PlotlyFigure:
    """Ranks left to each adapted module: kinds down, layers across."""
    places = {name: (int(at[1]), at[2]) for name in ranks if (at := MODULE.search(name))}
    layers = sorted({layer for layer, _ in places.values()})
    kinds = sorted({kind for _, kind in places.values()})
    values: list[list[int | None]] = [[None] * len(layers) for _ in kinds]
    for name, (layer, kind) in places.items():
        values[kinds.index(kind)][layers.index(layer)] = ranks[name]
    heatmap = {
        "type": "heatmap",
        "z": values,
        "x": [str(layer) for layer in layers],
        "y": kinds,
        "zmin": 0,
        "zmax": most,
        "colorscale": [[0, "rgba(47,127,193,0.06)"], [1, PALETTE[0]]],
        "texttemplate": "%{z}",
        "textfont": {"size": 10},
        "xgap": 2,
        "ygap": 2,
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickfont": {"color": GREY}},
        "hovertemplate": "layer %{x}, %{y}: rank %{z}<extra></extra>",
    }
    return dress(
        [heatmap],
        key,
        "layer",
        legend=False,
        height=110 + 26 * len(kinds),
        hovermode="closest",
        margin={"l": 80, "r": 14, "t": 12, "b": 40},
        xaxis={"type": "category"},
        yaxis={"showgrid": False, "automargin": True},
    )


def deletion_figure(curves: Mapping[str, Sequence[Mapping[str, float]]], key: str) -> PlotlyFigure:
    """Mean probability of the top answer after more and more removals, by the order in which titles go."""
    traces = []
    for place, (order, points) in enumerate(curves.items()):
        shade, dash = (GREY, "dot") if order == "random" else (PALETTE[place], "solid")
        traces.append(
            {
                "type": "scatter",
                "x": list(range(len(points))),
                "y": [it["value"] for it in points],
                "name": ORDERS[order],
                "mode": "lines+markers",
                "line": {"width": 2, "color": shade, "dash": dash},
                "marker": {"size": 5},
                "customdata": [[it["low"], it["high"]] for it in points],
                "hovertemplate": "%{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]",
            }
        )
    axis = {"title": titled("probability")}
    return dress(traces, key, "titles removed, most important first", legend=True, height=300, yaxis=axis)
