"""Figures about a data set: how long the histories are, how popular the items."""

from __future__ import annotations

import itertools

import plotly.graph_objects as go

from engine.data import Statistics
from webapp.charts import PALETTE, dress

MOST_POINTS = 200
"""Points of the popularity curve, evenly spaced by ratio."""


def length_figure(found: Statistics, key: str) -> go.Figure:
    """Users by the length of their history."""
    edges = found.history_edges
    labels = [str(low) if high == low + 1 else f"{low}–{high - 1}" for low, high in itertools.pairwise(edges)]
    figure = go.Figure()
    figure.add_bar(
        x=labels,
        y=found.history_users,
        marker={"color": PALETTE[0]},
        hovertemplate="%{y:,} users with %{x} interactions<extra></extra>",
    )
    dress(figure, f"{key}/lengths", "", legend=False)
    figure.update_xaxes(type="category", tickangle=-45, automargin=True)
    figure.update_yaxes(title={"text": "users", "font": {"size": 11}})
    figure.update_layout(hovermode="closest", bargap=0.12)
    return figure


def popularity_figure(found: Statistics, key: str) -> go.Figure:
    """Interactions of each item, most popular first, both axes logarithmic: a long tail is a falling line."""
    counts = [count for count in found.popularity if count]
    step = len(counts) ** (1 / MOST_POINTS)
    ranks = sorted({min(len(counts), max(1, round(step**place))) for place in range(MOST_POINTS + 1)})
    figure = go.Figure()
    figure.add_scatter(
        x=ranks,
        y=[counts[rank - 1] for rank in ranks],
        mode="lines",
        line={"width": 2, "color": PALETTE[0]},
        hovertemplate="item %{x:,}: %{y:,} interactions<extra></extra>",
    )
    dress(figure, f"{key}/popularity", "items, most popular first", legend=False)
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(type="log", dtick=1, title={"text": "interactions", "font": {"size": 11}})
    figure.update_layout(hovermode="closest")
    return figure
