"""Figures by slices of the test users: where a model is above its teacher, and how runs differ there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.evaluate.breakdown import Advantage
from webapp.charts import GREY, PALETTE, ChartEstimate, PlotlyFigure, colour, dress, plain, titled, whiskers

BETTER, WORSE = PALETTE[2], PALETTE[5]
SPREAD = 0.5
"""Share of a slice's room over which several runs' points stand."""


def advantage_figure(found: Advantage, what: str, key: str) -> PlotlyFigure:
    """Paired differences to the teacher by slice, with the line at which both are alike.

    Intervals above zero and below it have colours of their own. ``what`` names the horizontal axis.
    """
    estimates = [it for _, _, it in found.slices]
    shades = [BETTER if it.low > 0 else WORSE if it.high < 0 else GREY for it in estimates]
    trace = {
        "type": "scatter",
        "x": list(range(len(estimates))),
        "y": [it.value for it in estimates],
        "mode": "markers",
        "marker": {"size": 10, "color": shades},
        "error_y": whiskers(estimates),
        "customdata": [[it.low, it.high, users] for (_, users, it) in found.slices],
        "hovertemplate": "%{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}], %{customdata[2]} users<extra></extra>",
    }
    names = [f"{plain(name)}<br>{users:,}" for name, users, _ in found.slices]
    return _sliced([trace], names, f"{what} / users", "difference", key)


def slice_figure(
    runs: Sequence[tuple[str, int, Mapping[str, ChartEstimate]]],
    slices: Sequence[str],
    what: str,
    metric: str,
    key: str,
) -> PlotlyFigure:
    """A metric by slice for several runs side by side.

    ``runs``: names, the places whose colours they have, and estimates by slice; slices that a run lacks stay empty.
    """
    traces = []
    for number, (name, place, known) in enumerate(runs):
        shift = SPREAD * (number - (len(runs) - 1) / 2) / max(len(runs), 1)
        there = [(slices.index(part) + shift, it) for part, it in known.items()]
        traces.append(
            {
                "type": "scatter",
                "x": [at for at, _ in there],
                "y": [it.value for _, it in there],
                "name": plain(name),
                "mode": "markers",
                "marker": {"size": 9, "color": colour(place)},
                "error_y": whiskers([it for _, it in there]),
                "customdata": [[it.low, it.high, it.label] for _, it in there],
                "hovertemplate": "%{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}], %{customdata[2]}"
                f"<extra>{plain(name)}</extra>",
            }
        )
    return _sliced(traces, [plain(name) for name in slices], what, metric, key)


def _sliced(
    traces: Sequence[Mapping[str, Any]], names: Sequence[str], what: str, metric: str, key: str
) -> PlotlyFigure:
    xaxis = {"tickvals": list(range(len(names))), "ticktext": list(names), "range": [-0.5, len(names) - 0.5]}
    return dress(
        traces,
        key,
        what,
        legend=False,
        height=270,
        hovermode="closest",
        margin={"l": 54, "r": 14, "t": 12, "b": 58},
        xaxis=xaxis,
        yaxis={"title": titled(metric), "zeroline": True, "zerolinecolor": GREY, "zerolinewidth": 2},
    )
