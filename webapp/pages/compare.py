"""Compare: the same figures of several runs beside each other. The address holds the whole choice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from db import metrics as curve_store
from db import results as result_store
from db import stages as stage_store
from db.results import Result
from db.runs import Run
from engine.errors import StudioError
from engine.evaluate.across import difference, outcomes
from engine.evaluate.bootstrap import Interval
from engine.evaluate.render import LABELS, label
from jobs import api
from webapp.answers import answers_of
from webapp.charts import Estimate, Line, Panel, cost_figure, interval_figure, line_figure
from webapp.events import QUIET, tell
from webapp.html import link, tag
from webapp.shell import RUNS, empty, frame, notice
from webapp.views import compare as view
from webapp.views.charts import chart_box, chart_data

METRICS = ("HR@1", "HR@5", "HR@10", "NDCG@5", "NDCG@10")
SAMPLES = 1000
MOST = 500
KEEP_IN_ADDRESS = """(runs, base, model, metric, curve, hide) => {
  delrecAddress({ runs: (runs || []).join(","), base, model, metric, curve, hide: (hide || []).join(",") });
}"""


@dataclass(frozen=True)
class Choice:
    """What is compared; all of it stands in the address."""

    runs: tuple[str, ...]
    baseline: str
    model: str
    metric: str
    curve: str
    hidden: tuple[str, ...]

    @classmethod
    def sound(cls, known: Collection[str], *given: Any) -> Choice:
        """Of values in the order of the fields; what is unknown falls back to what a page without an address shows."""
        runs, base, model, metric, curve, hide = given
        chosen = tuple(dict.fromkeys(run for run in runs or () if run in known))
        return cls(
            runs=chosen,
            baseline=base if base in chosen else (chosen[0] if chosen else ""),
            model=model if model in LABELS else "delrec",
            metric=metric if metric in METRICS else METRICS[0],
            curve=str(curve or ""),
            hidden=tuple(run for run in hide or () if run in chosen),
        )


def build() -> None:
    """Draw the page."""
    frame("Compare", "Compare")
    gr.HTML(tag("h1", "Compare runs", class_="dr-title"), js_on_load=None)
    with gr.Column(elem_classes="dr-card"):
        chosen = gr.Dropdown([], multiselect=True, label="Runs", elem_id="compare-runs")
        with gr.Row(elem_classes="dr-fields"):
            baseline = gr.Dropdown([], label="Baseline", filterable=False, elem_id="compare-baseline")
            model = gr.Dropdown(
                [(label(name), name) for name in LABELS],
                value="delrec",
                label="Model",
                filterable=False,
                elem_id="compare-model",
            )
            metric = gr.Dropdown(list(METRICS), value="HR@1", label="Metric", filterable=False)
            curve = gr.Dropdown([], label="Curve", allow_custom_value=True, elem_id="compare-curve")
            hidden = gr.Dropdown([], multiselect=True, label="Hidden in figures", elem_id="compare-hidden")
    problem = gr.HTML(js_on_load=None, elem_id="compare-problem")
    with gr.Column(visible=False) as page:
        with gr.Column(elem_classes="dr-card"):
            gr.HTML(tag("h2", "Results"), js_on_load=None)
            figures = gr.HTML(js_on_load=None, elem_id="compare-figures")
            gr.HTML(chart_box("figures"), js_on_load=None, elem_id="compare-charts")
            charts = gr.HTML(js_on_load=None)
        with gr.Column(elem_classes="dr-card"):
            gr.HTML(tag("h2", "Teacher and model, user by user"), js_on_load=None)
            agreement = gr.HTML(js_on_load=None, elem_id="compare-agreement")
        with gr.Column(elem_classes="dr-card"):
            gr.HTML(tag("h2", "Settings that differ"), js_on_load=None)
            settings = gr.HTML(js_on_load=None, elem_id="compare-settings")
        with gr.Column(elem_classes="dr-card"):
            gr.HTML(tag("h2", "Curves"), js_on_load=None)
            gr.HTML(chart_box("curves"), js_on_load=None, elem_id="compare-curves")
            curves = gr.HTML(js_on_load=None)
    choice = [chosen, baseline, model, metric, curve, hidden]
    drawn = [problem, page, figures, charts, agreement, settings, curves]

    def opened(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        lists = {name: query.get(name, "").split(",") for name in ("runs", "hide")}
        return show(lists["runs"], *(query.get(n) for n in ("base", "model", "metric", "curve")), lists["hide"])

    def show(*given: Any) -> list[Any]:
        known = {run.id: run for run in api.runs(limit=MOST)}
        wanted = Choice.sound(known, *given)
        runs = [known[run_id] for run_id in wanted.runs]
        curve_names = [f"{stage} {name}" for stage, name in curve_store.names(wanted.runs) if "rank.model" not in name]
        if wanted.curve not in curve_names:
            wanted = replace(wanted, curve=next((n for n in curve_names if "finetune validation" in n), ""))
        named = [(run.name, run.id) for run in runs]
        return [
            gr.Dropdown(choices=[(run.name, run.id) for run in known.values()], value=list(wanted.runs)),
            gr.Dropdown(choices=named, value=wanted.baseline or None),
            wanted.model,
            wanted.metric,
            gr.Dropdown(choices=curve_names, value=wanted.curve or None),
            gr.Dropdown(choices=named, value=list(wanted.hidden)),
            *_safely(runs, wanted),
        ]

    def changed(*given: Any) -> list[Any]:
        """What was just chosen is left alone: drawn anew, an open list would close."""
        fresh = show(*given)
        for control in (chosen, model, metric):
            fresh[choice.index(control)] = gr.skip()
        return fresh

    gr.context.Context.root_block.load(opened, None, [*choice, *drawn], **QUIET)
    inputs = [component.input for component in choice]
    gr.on(inputs, changed, choice, [*choice, *drawn], trigger_mode="always_last", **QUIET).then(
        fn=None, inputs=choice, js=KEEP_IN_ADDRESS
    )


def _safely(runs: list[Run], wanted: Choice) -> list[Any]:
    if not runs:
        nothing = empty("Choose runs to compare", "Their figures, settings and curves then stand beside each other.",
                        link("All runs", RUNS[0], class_="dr-button"))  # fmt: skip
        return [nothing, gr.Column(visible=False), *[gr.skip()] * 5]
    try:
        return ["", gr.Column(visible=True), *_draw(runs, wanted)]
    except Exception as error:
        return [notice("bad", tell(error)), gr.Column(visible=False), *[gr.skip()] * 5]


def _draw(runs: list[Run], wanted: Choice) -> list[Any]:
    ids, model, metric = [run.id for run in runs], wanted.model, wanted.metric
    rows = result_store.table(ids, models={model}, protocols={"candidates", "full"})
    results = {(row.run_id, row.protocol, row.metric): row for row in rows}
    baseline = next(run for run in runs if run.id == wanted.baseline)
    differences = _differences(runs, baseline, model, metric)
    seen = [run for run in runs if run.id not in wanted.hidden]
    place = {run_id: number for number, run_id in enumerate(ids)}  # hiding a run changes nobody's colour
    estimates = _estimates(seen, results, metric, place)
    key = ",".join(run.id for run in seen)
    spread = interval_figure({label(model): list(estimates.values())}, metric, key=f"{key}/{model}/{metric}/intervals")
    cost = cost_figure(_costs(seen, estimates), metric, key=f"{key}/{model}/{metric}/cost")
    stage, _, name = wanted.curve.partition(" ")
    found = {c.run_id: c for c in curve_store.curves([run.id for run in seen], names={name}, stages={stage})}
    lines = tuple(
        Line(run.name, found[run.id].steps, found[run.id].values, place=place[run.id])
        for run in seen
        if run.id in found
    )
    drawn = line_figure(Panel(wanted.curve, lines), unit="step", key=f"{key}/{wanted.curve}")
    return [
        view.figures(runs, results, differences, metric, baseline),
        chart_data("figures", [(f"{metric} among the candidates", spread), ("Quality against cost", cost)]),
        view.agreement(_agreement(runs, model), model),
        view.settings(runs),
        chart_data("curves", [(wanted.curve, drawn)] if lines else []),
    ]


def _estimates(
    runs: Sequence[Run], results: dict[tuple[str, str, str], Result], metric: str, place: dict[str, int]
) -> dict[str, Estimate]:
    """By run id, those that have a figure with its interval."""
    found = [(run, results.get((run.id, "candidates", metric))) for run in runs]
    return {
        run.id: Estimate(run.name, it.value, it.low, it.high, place[run.id])
        for run, it in found
        if it and it.value is not None and it.low is not None and it.high is not None
    }


def _costs(runs: Sequence[Run], estimates: dict[str, Estimate]) -> list[tuple[float, Estimate]]:
    seconds = stage_store.total_seconds(list(estimates))
    return [(seconds[run.id], estimates[run.id]) for run in runs if run.id in estimates and run.id in seconds]


def _differences(runs: Sequence[Run], baseline: Run, model: str, metric: str) -> dict[str, Interval | str]:
    """The paired difference of each run to the baseline, or why there is none."""
    found: dict[str, Interval | str] = {}
    for run in runs:
        if run.id == baseline.id:
            continue
        try:
            found[run.id] = difference(answers_of(run, model), answers_of(baseline, model), metric, samples=SAMPLES)
        except StudioError as error:
            found[run.id] = error.what
    return found


def _agreement(runs: Sequence[Run], model: str) -> list[tuple[Run, str, dict[str, int]]]:
    counts = []
    for run in runs:
        teacher = run.config["teacher"]["name"]
        try:
            counts.append((run, teacher, outcomes(answers_of(run, teacher), answers_of(run, model))))
        except StudioError:  # not done yet, or without that row: the table above says so
            continue
    return counts
