"""Charts: which lines stand together, and that names stay text.

``go.Figure`` refuses what plotly does not know: a misspelt setting, a value of the wrong kind.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields
from html import unescape

import plotly.graph_objects as go
import pytest

from db.metrics import Curve
from engine.curves import CurveName
from engine.data import Statistics
from engine.evaluate.breakdown import Advantage
from engine.evaluate.report import Estimate as Figures
from webapp.charts import (
    PALETTE,
    ChartEstimate,
    Line,
    Panel,
    PlotlyFigure,
    cost_figure,
    curve_title,
    interval_figure,
    line_figure,
    panels,
)
from webapp.data_charts import length_figure, popularity_figure
from webapp.pattern_charts import (
    MEASURES,
    agreement_figures,
    deletion_figure,
    rank_figure,
    recency_figure,
    task_figure,
)
from webapp.slice_charts import BETTER, WORSE, advantage_figure, slice_figure
from webapp.views.charts import chart_data


def _curve(name: str, stage: str = "distil") -> Curve:
    return Curve("r-abc234", CurveName.named(stage, name), (1, 2, 3), (0.5, 0.4, 0.3))


def _titles(*names: str) -> dict[str, list[str]]:
    return {panel.title: [line.label for line in panel.lines] for panel in panels([_curve(name) for name in names])}


def test_losses_of_both_tasks_share_a_chart_with_their_validation() -> None:
    drawn = panels([_curve(n) for n in ("loss.rps", "loss.ta", "validation.loss.rps", "validation.loss.ta")])
    assert [panel.title for panel in drawn] == ["Loss"]
    assert [(line.label, line.validation) for line in drawn[0].lines] == [
        ("TA", False),
        ("RPS", False),
        ("TA", True),
        ("RPS", True),
    ]


def test_panels_come_in_a_fixed_order_whatever_the_order_of_the_curves() -> None:
    names = ["lr", "validation.accuracy.ta", "weight.rps", "loss.ta", "validation.NDCG@10", "rank.mean"]
    forwards = list(_titles(*names))
    assert forwards == list(_titles(*reversed(names)))
    assert forwards == [
        "Loss",
        "Weights of the tasks",
        "Validation",
        "Validation accuracy",
        "Learning rate",
        "Mean AdaLoRA rank",
    ]


def test_a_curve_nobody_foresaw_is_drawn_too() -> None:
    assert _titles("temperature") == {"Temperature": ["temperature"]}


def test_what_is_drawn_already_is_not_drawn_twice() -> None:
    assert _titles("validation.objective", "rank.mean", "rank.model.layers.0.q", "rank.decoder.block.1.o") == {
        "Mean AdaLoRA rank": ["mean"]
    }


def test_several_teachers_share_charts_and_are_named() -> None:
    curves = [_curve("loss", stage) for stage in ("teacher", "teacher:caser", "teacher:sasrec-2")]
    (panel,) = panels(curves)
    assert [line.label for line in panel.lines] == ["teacher loss", "Caser loss", "SASRec, copy 2 loss"]
    assert curve_title(CurveName("teacher:sasrec-2", "loss")) == "Teacher SASRec, copy 2 · Loss"


def test_a_line_has_its_points_and_a_task_keeps_its_colour_in_validation() -> None:
    lines = (Line("TA", (1, 2), (3.0, 2.0)), Line("RPS", (1, 2), (4.0, 3.0)), Line("TA", (2,), (2.5,), validation=True))
    figure = go.Figure(line_figure(Panel("Loss", lines), unit="step", key="k"))
    assert list(figure.data[0].x) == [1, 2]
    assert list(figure.data[0].y) == [3.0, 2.0]
    assert [trace.name for trace in figure.data] == ["TA", "RPS", "TA validation"]
    assert figure.data[0].line.color == figure.data[2].line.color != figure.data[1].line.color
    assert figure.data[0].line.dash != figure.data[2].line.dash
    assert [trace.showlegend for trace in figure.data] == [True, True, False]
    assert Panel("Loss", lines).heading == "Loss (dotted: validation)"


def test_zoom_survives_updates_of_the_same_chart_only() -> None:
    panel = Panel("Loss", (Line("loss", (1,), (1.0,)),))
    first, second = (
        go.Figure(line_figure(panel, unit="step", key=key)).layout.uirevision for key in ("run 1", "run 2")
    )
    assert first == "run 1"
    assert second == "run 2"


def test_grounds_are_transparent() -> None:
    layout = go.Figure(line_figure(Panel("Loss", ()), unit="step", key="k")).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_intervals_reach_from_low_to_high() -> None:
    figure = go.Figure(interval_figure({"runs": [ChartEstimate("delrec", 0.4, 0.35, 0.5)]}, "HR@1", key="k"))
    (trace,) = figure.data
    assert trace.x[0] + trace.error_x.array[0] == 0.5
    assert round(trace.x[0] - trace.error_x.arrayminus[0], 6) == 0.35


def test_names_stay_text_in_labels() -> None:
    hostile = "<b>x</b> %{y} &"
    figure = go.Figure(cost_figure([(10.0, ChartEstimate(hostile, 0.4, 0.3, 0.5))], "HR@1", key="k"))
    assert "<b>" not in figure.data[0].name
    assert "%{y}" not in figure.data[0].name
    assert figure.data[0].hovertemplate.endswith("<extra>&lt;b&gt;x&lt;/b&gt; % {y} &amp;</extra>")


def test_runs_whose_names_begin_alike_keep_rows_of_their_own() -> None:
    names = [f"the same long beginning of a name {number}" for number in (1, 2)]
    figure = go.Figure(interval_figure({"": [ChartEstimate(name, 0.4, 0.3, 0.5) for name in names]}, "HR@1", key="k"))
    assert list(figure.data[0].y) == [0, 1]
    assert list(figure.data[0].text) == names


def test_a_single_line_is_named_in_the_heading() -> None:
    (validation,) = panels([_curve("validation.NDCG@10")])
    (loss,) = panels([_curve("loss")])
    assert (validation.heading, loss.heading) == ("Validation: NDCG@10", "Loss")


STATISTICS = Statistics(**{field.name: 1 for field in fields(Statistics)} | {  # type: ignore[arg-type]
    "history_edges": [1, 2, 4], "history_users": [3, 5], "popularity": [9, 4, 1, 0]})  # fmt: skip
POINTS = [{"value": 0.3, "low": 0.2, "high": 0.4}, {"value": 0.2, "low": 0.1, "high": 0.3}]
ESTIMATE = ChartEstimate("delrec", 0.4, 0.35, 0.5)
FIGURES: dict[str, PlotlyFigure] = {
    "lines": line_figure(Panel("Validation accuracy", (Line("TA", (1, 2), (0.1, 0.2)),)), unit="step", key="k"),
    "intervals": interval_figure({"runs": [ESTIMATE]}, "HR@1", key="k"),
    "cost": cost_figure([(10.0, ESTIMATE)], "HR@1", key="k"),
    "lengths": length_figure(STATISTICS, "k"),
    "popularity": popularity_figure(STATISTICS, "k"),
    "agreement": agreement_figures({"none": {m: {"figure": POINTS[0]} for m in MEASURES}}, {"none": "None"}, "k")[0][1],
    "recency": recency_figure({"teacher": POINTS}, {"teacher": "SASRec"}, "k"),
    "tasks": task_figure({"ta": [{"step": 1, "value": 0.1}]}, "k"),
    "ranks": rank_figure({"model.layers.3.self_attn.q_proj": 4}, 12, "k"),
    "deletion": deletion_figure({"loo": POINTS, "random": POINTS}, "k"),
}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_every_kind_of_figure_is_one_that_plotly_knows(figure: PlotlyFigure) -> None:
    drawn = go.Figure(figure)
    assert drawn.layout.uirevision.startswith("k")
    assert drawn.layout.xaxis.zeroline is False  # what all share
    assert all(len(trace.x) for trace in drawn.data)


@pytest.mark.parametrize("name", ["lengths", "popularity"])
def test_many_users_and_items_are_counted_in_thousands(name: str) -> None:
    """Powers of ten were cut off at the edge and stood over the axis' title."""
    assert go.Figure(FIGURES[name]).layout.yaxis.exponentformat == "SI"


def test_the_check_above_finds_what_plotly_does_not_know() -> None:
    with pytest.raises(ValueError, match="nticks"):
        go.Figure(FIGURES["cost"] | {"layout": {"yaxis": {"nticks": "many"}}})


def test_values_that_are_no_numbers_reach_the_browser_as_gaps() -> None:
    figure = line_figure(Panel("Loss", (Line("loss", (1, 2), (math.nan, 0.5)),)), unit="step", key="k")
    packed = unescape(re.search(r'data-figures="([^"]*)"', str(chart_data("c", [("Loss", figure)])))[1])  # type: ignore[index]
    assert "NaN" not in packed
    assert json.loads(packed)[0]["figure"]["data"][0]["y"] == [None, 0.5]


def test_an_advantage_has_the_colour_of_its_interval() -> None:
    slices = tuple(
        (name, users, Figures(value=value, low=value - 0.05, high=value + 0.05))
        for name, users, value in (("0", 3, 0.1), ("1-4", 1200, 0.01), ("<b>", 9, -0.2))
    )
    figure = go.Figure(advantage_figure(Advantage("delrec", "sasrec", "full.NDCG@10", slices), "rarity", "k"))
    (trace,) = figure.data
    assert list(trace.y) == [0.1, 0.01, -0.2]
    assert (trace.marker.color[0], trace.marker.color[2]) == (BETTER, WORSE)
    assert trace.marker.color[1] not in (BETTER, WORSE)
    assert list(figure.layout.xaxis.ticktext) == ["0<br>3", "1-4<br>1,200", "&lt;b&gt;<br>9"]
    assert figure.layout.yaxis.zeroline


def test_runs_stand_side_by_side_in_a_slice_and_keep_their_colours() -> None:
    one, two = {"0": ChartEstimate("3 users", 0.1, 0.0, 0.2)}, {"0": ChartEstimate("4 users", 0.2, 0.1, 0.3)}
    lines = [("One", 2, one), ("Two", 0, two | {"1-4": ChartEstimate("5 users", 0.3, 0.2, 0.4)})]
    figure = go.Figure(slice_figure(lines, ["0", "1-4"], "rarity", "HR@1", "k"))
    first, second = figure.data
    assert first.x[0] < 0 < second.x[0] < 0.5 < second.x[1] < 1.5
    assert first.marker.color == PALETTE[2]
    assert second.marker.color == PALETTE[0]
