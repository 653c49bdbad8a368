"""Figures about a data set: how long the histories are, how popular the items, how rare the targets."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from engine.data import Statistics
from webapp.charts import PALETTE, PlotlyFigure, dress, titled

RARE = ("0", "1-4")
"""Slices of rare targets, which have a colour of their own."""
COUNTS = {"exponentformat": "SI"}
"""Ticks of counts: 20k, where losses and rates have powers of ten, which take more room than there is."""
MOST_POINTS = 200
"""Points of the popularity curve, evenly spaced by ratio."""


def length_figure(found: Statistics, key: str) -> PlotlyFigure:
    """Users by the length of their history."""
    edges = found.history_edges
    bars = {
        "type": "bar",
        "x": [str(low) if high == low + 1 else f"{low}–{high - 1}" for low, high in itertools.pairwise(edges)],
        "y": found.history_users,
        "marker": {"color": PALETTE[0]},
        "hovertemplate": "%{y:,} users with %{x} interactions<extra></extra>",
    }
    return dress(
        [bars],
        f"{key}/lengths",
        "",
        legend=False,
        hovermode="closest",
        bargap=0.12,
        xaxis={"type": "category", "tickangle": -45, "automargin": True},
        yaxis={"title": titled("users")} | COUNTS,
    )


def popularity_figure(found: Statistics, key: str) -> PlotlyFigure:
    """Interactions of each item, most popular first, both axes logarithmic: a long tail is a falling line."""
    counts = [count for count in found.popularity if count]
    step = len(counts) ** (1 / MOST_POINTS)
    ranks = sorted({min(len(counts), max(1, round(step**place))) for place in range(MOST_POINTS + 1)})
    curve = {
        "type": "scatter",
        "x": ranks,
        "y": [counts[rank - 1] for rank in ranks],
        "mode": "lines",
        "line": {"width": 2, "color": PALETTE[0]},
        "hovertemplate": "item %{x:,}: %{y:,} interactions<extra></extra>",
    }
    return dress(
        [curve],
        f"{key}/popularity",
        "items, most popular first",
        legend=False,
        hovermode="closest",
        xaxis={"type": "log", "dtick": 1},
        yaxis={"type": "log", "dtick": 1, "title": titled("interactions")} | COUNTS,
    )


def rarity_figure(rarity: Mapping[str, int], key: str) -> PlotlyFigure:
    """Users by how often their last item occurs in training; rare ones are those that only titles can help with."""
    total = max(1, sum(rarity.values()))
    bars = {
        "type": "bar",
        "x": list(rarity),
        "y": [count / total for count in rarity.values()],
        "customdata": list(rarity.values()),
        "marker": {"color": [PALETTE[1] if name in RARE else PALETTE[0] for name in rarity]},
        "hovertemplate": "%{customdata:,} users, %{y:.1%}: the last item has %{x} training interactions<extra></extra>",
    }
    return dress(
        [bars],
        f"{key}/rarity",
        "training interactions of the last item",
        legend=False,
        hovermode="closest",
        bargap=0.12,
        xaxis={"type": "category"},
        yaxis={"title": titled("users"), "tickformat": ".0%"},
    )
