"""Charts: which lines stand together, and that names stay text."""

from __future__ import annotations

from db.metrics import Curve
from webapp.charts import Estimate, Line, Panel, cost_figure, interval_figure, line_figure, panels


def _curve(name: str, stage: str = "distil") -> Curve:
    return Curve("r-abc234", stage, name, (1, 2, 3), (0.5, 0.4, 0.3))


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
    assert _titles("validation.objective", "rank.mean", "rank.model.layers.0.q") == {"Mean AdaLoRA rank": ["mean"]}


def test_several_teachers_share_charts_and_are_named() -> None:
    curves = [_curve("loss", "teacher"), _curve("loss", "teacher:caser")]
    (panel,) = panels(curves)
    assert [line.label for line in panel.lines] == ["teacher loss", "caser loss"]


def test_a_line_has_its_points_and_a_task_keeps_its_colour_in_validation() -> None:
    lines = (Line("TA", (1, 2), (3.0, 2.0)), Line("RPS", (1, 2), (4.0, 3.0)), Line("TA", (2,), (2.5,), validation=True))
    figure = line_figure(Panel("Loss", lines), unit="step", key="k")
    assert list(figure.data[0].x) == [1, 2]
    assert list(figure.data[0].y) == [3.0, 2.0]
    assert [trace.name for trace in figure.data] == ["TA", "RPS", "TA validation"]
    assert figure.data[0].line.color == figure.data[2].line.color != figure.data[1].line.color
    assert figure.data[0].line.dash != figure.data[2].line.dash
    assert [trace.showlegend for trace in figure.data] == [True, True, False]
    assert Panel("Loss", lines).heading == "Loss (dotted: validation)"


def test_zoom_survives_updates_of_the_same_chart_only() -> None:
    panel = Panel("Loss", (Line("loss", (1,), (1.0,)),))
    first, second = (line_figure(panel, unit="step", key=key).layout.uirevision for key in ("run 1", "run 2"))
    assert first == "run 1"
    assert second == "run 2"


def test_grounds_are_transparent() -> None:
    layout = line_figure(Panel("Loss", ()), unit="step", key="k").layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_intervals_reach_from_low_to_high() -> None:
    figure = interval_figure({"runs": [Estimate("delrec", 0.4, 0.35, 0.5)]}, "HR@1", key="k")
    (trace,) = figure.data
    assert trace.x[0] + trace.error_x.array[0] == 0.5
    assert round(trace.x[0] - trace.error_x.arrayminus[0], 6) == 0.35


def test_names_stay_text_in_labels() -> None:
    hostile = "<b>x</b> %{y} &"
    figure = cost_figure([(10.0, Estimate(hostile, 0.4, 0.3, 0.5))], "HR@1", key="k")
    assert "<b>" not in figure.data[0].name
    assert "%{y}" not in figure.data[0].name
    assert figure.data[0].hovertemplate.endswith("<extra>&lt;b&gt;x&lt;/b&gt; % {y} &amp;</extra>")


def test_runs_whose_names_begin_alike_keep_rows_of_their_own() -> None:
    names = [f"the same long beginning of a name {number}" for number in (1, 2)]
    figure = interval_figure({"": [Estimate(name, 0.4, 0.3, 0.5) for name in names]}, "HR@1", key="k")
    assert list(figure.data[0].y) == [0, 1]
    assert list(figure.data[0].text) == names


def test_a_single_line_is_named_in_the_heading() -> None:
    (validation,) = panels([_curve("validation.NDCG@10")])
    (loss,) = panels([_curve("loss")])
    assert (validation.heading, loss.heading) == ("Validation: NDCG@10", "Loss")
