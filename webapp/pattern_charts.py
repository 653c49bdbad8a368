"""Figures of the page about the distilled pattern and the trust in explanations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from webapp.charts import GREY, PALETTE, Estimate, Line, Panel, dress, interval_figure, line_figure, plain

MEASURES = {"top-1": "Same first choice", "overlap@5": "Best five in common", "kendall-tau": "Kendall's tau"}
ORDERS = {"loo": "Leave-one-out", "ig": "Integrated gradients", "random": "Random order"}
MODULE = re.compile(r"\.(\d+)\.(?:.*\.)?([^.]+)$")
"""Layer and kind in a module's name."""


def agreement_figures(found: Mapping[str, Any], names: Mapping[str, str], key: str) -> list[tuple[str, go.Figure]]:
    """One chart per measure: each state with its interval."""
    figures = []
    for measure, title in MEASURES.items():
        rows = [Estimate(names[state], **values[measure]["figure"]) for state, values in found.items()]
        figures.append((title, interval_figure({title: rows}, "agreement", key=f"{key}/{measure}")))
    return figures


def recency_figure(
    profiles: Mapping[str, Sequence[Mapping[str, float]]], names: Mapping[str, str], key: str
) -> go.Figure:
    """Mean effect by position, the newest title at the left."""
    figure = go.Figure()
    for place, (name, positions) in enumerate(profiles.items()):
        figure.add_scatter(
            x=list(range(1, len(positions) + 1)),
            y=[it["value"] for it in positions],
            name=plain(names[name]),
            mode="lines+markers",
            line={"width": 3 if name == "teacher" else 2, "color": PALETTE[place % len(PALETTE)]},
            marker={"size": 5},
            customdata=[[it["low"], it["high"]] for it in positions],
            hovertemplate="%{y:.2f} [%{customdata[0]:.2f}, %{customdata[1]:.2f}]",
        )
    dress(figure, key, "titles ago (1 is the newest)", legend=True)
    figure.update_layout(height=320)
    figure.update_yaxes(title={"text": "effect, own mean = 1", "font": {"size": 11}})
    return figure


def task_figure(tasks: Mapping[str, Sequence[Mapping[str, float]]], key: str) -> go.Figure:
    """Accuracy in stage 1's tasks by step."""
    lines = [
        Line(name.upper(), tuple(int(p["step"]) for p in points), tuple(p["value"] for p in points))
        for name, points in tasks.items()
    ]
    return line_figure(Panel("Validation accuracy", tuple(lines)), unit="step", key=key)


def rank_figure(ranks: Mapping[str, int], most: int, key: str) -> go.Figure:
    """Ranks left to each adapted module: kinds down, layers across."""
    places = {name: (int(at[1]), at[2]) for name in ranks if (at := MODULE.search(name))}
    layers = sorted({layer for layer, _ in places.values()})
    kinds = sorted({kind for _, kind in places.values()})
    values: list[list[int | None]] = [[None] * len(layers) for _ in kinds]
    for name, (layer, kind) in places.items():
        values[kinds.index(kind)][layers.index(layer)] = ranks[name]
    figure = go.Figure()
    figure.add_heatmap(
        z=values,
        x=[str(layer) for layer in layers],
        y=kinds,
        zmin=0,
        zmax=most,
        colorscale=[[0, "rgba(47,127,193,0.06)"], [1, PALETTE[0]]],
        texttemplate="%{z}",
        textfont={"size": 10},
        xgap=2,
        ygap=2,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickfont": {"color": GREY}},
        hovertemplate="layer %{x}, %{y}: rank %{z}<extra></extra>",
    )
    dress(figure, key, "layer", legend=False)
    figure.update_layout(height=110 + 26 * len(kinds), hovermode="closest", margin={"l": 80})
    figure.update_xaxes(type="category")
    figure.update_yaxes(showgrid=False, automargin=True)
    return figure


def deletion_figure(curves: Mapping[str, Sequence[Mapping[str, float]]], key: str) -> go.Figure:
    """Mean probability of the top answer after more and more removals, by the order in which titles go."""
    figure = go.Figure()
    for place, (order, points) in enumerate(curves.items()):
        figure.add_scatter(
            x=list(range(len(points))),
            y=[it["value"] for it in points],
            name=ORDERS[order],
            mode="lines+markers",
            line={
                "width": 2,
                "color": GREY if order == "random" else PALETTE[place],
                "dash": "dot" if order == "random" else "solid",
            },
            marker={"size": 5},
            customdata=[[it["low"], it["high"]] for it in points],
            hovertemplate="%{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]",
        )
    dress(figure, key, "titles removed, most important first", legend=True)
    figure.update_layout(height=300)
    figure.update_yaxes(title={"text": "probability", "font": {"size": 11}})
    return figure
