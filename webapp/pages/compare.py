"""Compare: the same figures of several runs beside each other. The address holds the whole choice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from engine.curves import CurveName
from engine.errors import StudioError
from engine.evaluate.breakdown import KINDS
from engine.evaluate.paired import UNPAIRED, UserMetrics, differences, outcomes
from engine.evaluate.report import By
from engine.labels import LABELS, label, plural
from engine.metrics.bootstrap import Interval
from jobs import api, records
from jobs.records import Result, Run
from webapp.access import Access
from webapp.charts import ChartEstimate, cost_figure, curve_title, interval_figure
from webapp.events import OPENED, UNQUEUED, error_text
from webapp.html import link, tag
from webapp.layout import RUNS, chart_area, empty, frame, markup, notice
from webapp.predictions import answers_of
from webapp.run_slices import overlaid, slices
from webapp.views import compare as view
from webapp.views.charts import chart_data

METRICS = ("HR@1", "HR@5", "HR@10", "NDCG@5", "NDCG@10")
SAMPLES = 1000
MOST, SUGGESTED = 500, 5
CURVES = (
    CurveName("teacher", "NDCG@10", validation=True),
    CurveName("distil", "loss", "rps"),
    CurveName("finetune", "loss", "lsr"),
    CurveName("finetune", "NDCG@10", validation=True),
)
"""Those shown at first, as far as there are any."""
KEEP_IN_ADDRESS = """(runs, base, model, metric, curves, hide, by) => {
  const [all, shown, hidden] = [runs, curves, hide].map((list) => (list || []).join(","));
  delrecAddress({ runs: all, base, model, metric, curves: shown, hide: hidden, by });
}"""


@dataclass(frozen=True)
class CompareQuery:
    """What is compared; all of it stands in the address."""

    runs: tuple[str, ...]
    baseline: str
    model: str
    metric: str
    curves: tuple[CurveName, ...]
    hidden: tuple[str, ...]
    by: By
    """What tells the slices apart."""

    @classmethod
    def sound(cls, known: Collection[str], *given: Any) -> CompareQuery:
        """Of values in the order of the fields; what is unknown falls back to what a page without an address shows."""
        runs, base, model, metric, curves, hide, by = given
        chosen = tuple(dict.fromkeys(run for run in runs or () if run in known))
        return cls(
            runs=chosen,
            baseline=base if base in chosen else (chosen[0] if chosen else ""),
            model=model if model in LABELS else "delrec",
            metric=metric if metric in METRICS else METRICS[0],
            curves=tuple(map(CurveName.read, curves or ())),
            hidden=tuple(run for run in hide or () if run in chosen),
            by=next((kind for kind in KINDS if kind == by), "rarity"),
        )


def build(_: Access) -> None:
    """Draw the page."""
    frame("Compare", "Compare")
    markup(tag("h1", "Compare runs", class_="dr-title"))
    with gr.Column(elem_classes="dr-card dr-opens"):
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
            hidden = gr.Dropdown([], multiselect=True, label="Hidden in figures", elem_id="compare-hidden")
    problem = markup(elem_id="compare-problem")
    with gr.Column(visible=False) as page:
        with gr.Column(elem_classes="dr-card"):
            markup(tag("h2", "Results"))
            figures = markup(elem_id="compare-figures")
            charts = chart_area("figures", elem_id="compare-charts")
        with gr.Column(elem_classes="dr-card"):
            markup(tag("h2", "Where the figures come from"))
            by = gr.Dropdown(
                [(words, kind) for kind, words in KINDS.items()],
                value="rarity",
                label="Users told apart by",
                filterable=False,
                elem_id="compare-by",
            )
            sliced = markup(elem_id="compare-slices")
            slice_charts = chart_area("slices", elem_id="compare-slice-charts")
        with gr.Column(elem_classes="dr-card"):
            markup(tag("h2", "Teacher and model, user by user"))
            agreement = markup(elem_id="compare-agreement")
        with gr.Column(elem_classes="dr-card"):
            markup(tag("h2", "Curves"))
            curve = gr.Dropdown([], multiselect=True, show_label=False, label="Curves", elem_id="compare-curve")
            legend = markup()
            curves = chart_area("curves", elem_id="compare-curves")
        with gr.Column(elem_classes="dr-card"):
            markup(tag("h2", "Settings that differ"))
            settings = markup(elem_id="compare-settings")
    choice = [chosen, baseline, model, metric, curve, hidden, by]
    drawn = [problem, page, figures, charts, sliced, slice_charts, agreement, settings, legend, curves]

    def opened(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        lists = {name: query.get(name, "").split(",") for name in ("runs", "curves", "hide")}
        chosen = (query.get(name) for name in ("base", "model", "metric"))
        return show(lists["runs"], *chosen, lists["curves"], lists["hide"], query.get("by"))

    def show(*given: Any) -> list[Any]:
        known = known_runs(given[0])
        query = CompareQuery.sound(known, *given)
        runs = [known[run_id] for run_id in query.runs]
        curves = [name for name in records.curve_names(query.runs) if not name.of_module]
        kept = tuple(curve for curve in query.curves if curve in curves)
        query = replace(query, curves=kept or tuple(curve for curve in CURVES if curve in curves))
        named = [(run.name, run.id) for run in runs]
        return [
            gr.Dropdown(choices=[(run.name, run.id) for run in known.values()], value=list(query.runs)),
            gr.Dropdown(choices=named, value=query.baseline or None),
            query.model,
            query.metric,
            gr.Dropdown(choices=[(curve_title(it), str(it)) for it in curves], value=[str(it) for it in query.curves]),
            gr.Dropdown(choices=named, value=list(query.hidden)),
            query.by,
            *_safely(runs, query),
        ]

    def wire(control: gr.Dropdown) -> None:
        # Only the choice of runs changes what other fields offer. Drawn anew, an open list would close, and what was
        # chosen there since the question be lost.
        renewed = [baseline, curve, hidden] if control is chosen else []

        def changed(*given: Any) -> list[Any]:
            fresh = show(*given)
            kept = [value if field in renewed else gr.skip() for field, value in zip(choice, fresh, strict=False)]
            return [*kept, *fresh[len(choice) :]]

        event = control.input(changed, choice, [*choice, *drawn], trigger_mode="always_last", **UNQUEUED)
        event.then(fn=None, inputs=choice, js=KEEP_IN_ADDRESS)

    gr.context.Context.root_block.load(opened, None, [*choice, *drawn], **UNQUEUED).then(fn=None, js=OPENED)
    for control in choice:
        wire(control)


def known_runs(named: Collection[str] | None) -> dict[str, Run]:
    """The latest runs, which are offered, and those that were ``named``, however old they are."""
    latest = {run.id: run for run in api.runs(limit=MOST)}
    older = set(named or ()) - latest.keys()
    return latest | {run.id: run for run in (api.runs(ids=older) if older else ())}


def _safely(runs: list[Run], query: CompareQuery) -> list[Any]:
    if not runs:
        done = [run.id for run in api.runs(states=["done"], limit=SUGGESTED)]
        suggested = (f"Compare the last {plural(len(done), 'finished run')}", f"./compare?runs={','.join(done)}")
        words, target = suggested if len(done) > 1 else ("All runs", RUNS)
        nothing = empty("Choose runs to compare", "Their figures, settings and curves then stand beside each other.",
                        link(words, target, class_="dr-button"))  # fmt: skip
        return [nothing, gr.Column(visible=False), *[gr.skip()] * 8]
    try:
        return ["", gr.Column(visible=True), *_draw(runs, query)]
    except Exception as error:
        return [notice("bad", error_text(error)), gr.Column(visible=False), *[gr.skip()] * 8]


def _draw(runs: list[Run], query: CompareQuery) -> list[Any]:
    seen = [run for run in runs if run.id not in query.hidden]
    place = {run.id: number for number, run in enumerate(runs)}  # hiding a run changes nobody's colour
    # The database reads the curves while this thread reads what the models answered: either takes half of the time.
    with ThreadPoolExecutor(1) as executor:
        curves = executor.submit(overlaid, seen, query.curves, place, [(run.name, place[run.id]) for run in seen])
        return [*_figures(runs, seen, query, place), *curves.result()]


def _figures(runs: list[Run], seen: list[Run], query: CompareQuery, place: dict[str, int]) -> list[Any]:
    ids, model, metric = [run.id for run in runs], query.model, query.metric
    rows = records.table(ids, models={model}, protocols={"candidates", "full"})
    results = {(row.run_id, row.protocol, row.metric): row for row in rows}
    baseline = next(run for run in runs if run.id == query.baseline)
    differences = _differences(runs, baseline, model, metric)
    estimates = _estimates(seen, results, metric, place)
    key = ",".join(run.id for run in seen)
    spread = interval_figure({label(model): list(estimates.values())}, metric, key=f"{key}/{model}/{metric}/intervals")
    cost = cost_figure(_costs(seen, estimates), metric, key=f"{key}/{model}/{metric}/cost")
    return [
        view.figures(runs, results, differences, model, metric, baseline),
        chart_data("figures", [(f"{metric} among the candidates", spread), ("Quality against cost", cost)]),
        *slices(seen, {run.id: model for run in seen}, metric, query.by, place),
        view.agreement(_agreement(runs, model), model),
        view.settings(runs),
    ]


def _estimates(
    runs: Sequence[Run], results: dict[tuple[str, str, str], Result], metric: str, place: dict[str, int]
) -> dict[str, ChartEstimate]:
    """By run id, those that have a figure with its interval."""
    found = [(run, results.get((run.id, "candidates", metric))) for run in runs]
    return {
        run.id: ChartEstimate(run.name, it.value, it.low, it.high, place[run.id])
        for run, it in found
        if it and it.value is not None and it.low is not None and it.high is not None
    }


def _costs(runs: Sequence[Run], estimates: dict[str, ChartEstimate]) -> list[tuple[float, ChartEstimate]]:
    seconds = records.total_seconds(list(estimates))
    return [(seconds[run.id], estimates[run.id]) for run in runs if run.id in estimates and run.id in seconds]


def _differences(runs: Sequence[Run], baseline: Run, model: str, metric: str) -> dict[str, Interval | str]:
    """The paired difference of each run to the baseline, or why there is none."""
    found: dict[str, Interval | str] = {}
    known: dict[str, UserMetrics] = {}
    for run in runs:
        try:
            known[run.id] = answers_of(run, model)
        except StudioError as error:
            found[run.id] = error.what
    base = known.pop(baseline.id, None)
    if base is None:
        return {run.id: str(found[baseline.id]) for run in runs if run.id != baseline.id}
    pairs = zip(known, differences(list(known.values()), base, metric, samples=SAMPLES), strict=True)
    return found | {run_id: interval or UNPAIRED for run_id, interval in pairs}


def _agreement(runs: Sequence[Run], model: str) -> list[tuple[Run, str, dict[str, int]]]:
    counts = []
    for run in runs:
        teacher = run.config["teacher"]["name"]
        try:
            counts.append((run, teacher, outcomes(answers_of(run, teacher), answers_of(run, model))))
        except StudioError:  # not done yet, or without that row: the table above says so
            continue
    return counts
