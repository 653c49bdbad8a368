"""What *Compare* and *Experiment* draw of several runs: figures by slices, curves overlaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.curves import CurveName
from engine.evaluate.breakdown import KINDS
from engine.evaluate.report import By
from engine.labels import capital, label, plural
from engine.metrics.bootstrap import Interval
from engine.stages import UNITS
from jobs import records
from jobs.records import Run
from webapp.charts import ChartEstimate, Line, Panel, curve_title, line_figure
from webapp.html import Html
from webapp.slice_charts import slice_figure
from webapp.views import compare as view
from webapp.views.charts import chart_data

MOST_DRAWN = 5000
"""Points of one chart, over all its lines."""


def slices(
    runs: Sequence[Run],
    models: Mapping[str, str],
    metric_name: str,
    by: By,
    place: Mapping[str, int],
    names: Mapping[str, str] | None = None,
    *,
    frozen: bool = False,
) -> list[Any]:
    """A table of one metric by slice, and its chart.

    Args:
        models: the row that is told of each run, by the run's id.
        metric_name: the metric.
        by: what tells the slices apart.
        place: whose colour each run has.
        names: what the runs are called, by id, where not by their names.
        frozen: without links and copies, for a file.
    """
    ids = [run.id for run in runs]
    stored = records.slices(ids)
    parts = {run_id: [part for part in stored.get(run_id, ()) if part["by"] == by] for run_id in ids}
    present = {name for run_id, own in parts.items() for part in own for name in part["models"].get(models[run_id], ())}
    metric = next((name for name in (f"candidates.{metric_name}", f"full.{metric_name}") if name in present), "")
    shown = label(models[ids[0]]) if len(set(models.values())) == 1 and ids else "the last stage"
    if not metric:
        return [view.no_slices(present, metric_name, shown), chart_data("slices", [])]
    found = {
        run_id: {
            part["name"]: (int(part["users"]), Interval(*(known[metric][end] for end in ("value", "low", "high"))))
            for part in own
            if metric in (known := part["models"].get(models[run_id], {}))
        }
        for run_id, own in parts.items()
    }
    called = names or {run.id: run.name for run in runs}
    kinds = list(dict.fromkeys(part["name"] for own in parts.values() for part in own))
    lines = [
        (
            called[run.id],
            place[run.id],
            {
                name: ChartEstimate(plural(users, "user"), it.value, it.low, it.high)
                for name, (users, it) in found[run.id].items()
            },
        )
        for run in runs
        if found[run.id]
    ]
    key = f"{','.join(ids)}/{shown}/{metric}/{by}"
    figure = slice_figure(lines, kinds, KINDS[by], metric_name, key)
    title = capital(f"{shown}: {view.metric_words(metric)}")
    return [
        view.slices(runs, called, found, kinds, metric, place, frozen=frozen),
        chart_data("slices", [(title, figure)]),
    ]


def overlaid(
    runs: Sequence[Run],
    curves: Sequence[CurveName],
    place: Mapping[str, int],
    legend: Sequence[tuple[str, int]],
    names: Mapping[str, str] | None = None,
) -> list[Html]:
    """The legend and, below it, one figure per curve, with a line for each run that has it.

    Args:
        curves: which, of those that the runs have.
        legend: names with the places of their colours.
        names: what the runs are called, by id, where not by their names.
    """
    ids = [run.id for run in runs]
    limit = min(500, max(100, MOST_DRAWN // len(ids))) if ids else 1
    read = records.curves(ids, names=curves, limit=limit) if curves else []
    found = {(curve.name, curve.run_id): curve for curve in read}
    called = names or {run.id: run.name for run in runs}
    drawn = []
    for name in curves:
        known = [(run, found[name, run.id]) for run in runs if (name, run.id) in found]
        lines = tuple(Line(called[run.id], curve.steps, curve.values, place=place[run.id]) for run, curve in known)
        if lines:
            unit = UNITS.get(name.stage.partition(":")[0], "step")
            key = f"{','.join(run.id for run, _ in known)}/{name}"
            drawn.append((curve_title(name), line_figure(Panel(name.name, lines), unit=unit, key=key, legend=False)))
    return [view.legend(legend) if drawn else view.without("curves to show"), chart_data("curves", drawn)]
