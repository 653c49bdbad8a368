"""Experiment: many runs as one question: how far they are, their figures by variant, and whether these differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from engine.curves import CurveName
from engine.errors import StudioError
from engine.evaluate import Report
from engine.labels import LABELS, label, plural
from jobs import api, experiments, records, searches
from jobs.experiments import ExperimentState
from jobs.records import Run
from webapp.access import Access
from webapp.charts import ChartEstimate, interval_figure
from webapp.events import OPENED, UNQUEUED, error_text, or_notice
from webapp.experiment_actions import LEADING
from webapp.html import Html, link, tag
from webapp.layout import EXPERIMENTS, chart_area, empty, frame, markup, notice
from webapp.run_slices import overlaid, slices
from webapp.variants import (
    METHOD,
    VariantRuns,
    against,
    group_runs,
    read_answers,
    row_of,
    run_names,
    seed_table,
    spreads,
    table,
)
from webapp.views import experiment as view
from webapp.views import search as search_view
from webapp.views.charts import chart_data
from webapp.views.compare import copies, without
from webapp.views.yardsticks import published

METRICS = ("HR@1", "HR@5", "NDCG@5")
CURVES = (
    CurveName("teacher", "NDCG@10", validation=True),
    CurveName("distil", "loss", "rps", validation=True),
    CurveName("finetune", "loss", "lsr"),
    CurveName("finetune", "NDCG@10", validation=True),
)
SECONDS = 3.0
KEEP_IN_ADDRESS = """(id, base, model, metric) => {
  const unless = (value, usual) => (value === usual ? "" : value);
  delrecAddress({ id, base: base || "", model: unless(model, "method"), metric: unless(metric, "HR@1") });
}"""


def build(access: Access) -> None:
    """Draw the page."""
    frame("Experiments", "Experiment")
    chosen = gr.Textbox(visible=False)
    top = markup(elem_id="experiment-head")
    with gr.Row(visible=False, elem_classes="dr-actions") as actions:
        buttons = {name: gr.Button(words, size="sm", elem_id=f"experiment-{name}") for name, words in BUTTONS.items()}
    message = markup(elem_id="experiment-said")
    with gr.Column(visible=False) as page:
        with gr.Column(visible=False, elem_classes="dr-card dr-opens") as searching:
            markup(tag("h2", "Search"))
            trials = markup(elem_id="experiment-search")
            with gr.Row(elem_classes="dr-actions"):
                close = gr.Button(CLOSE, size="sm", elem_id="experiment-close")
        with gr.Column(elem_classes="dr-card dr-opens") as results_card:
            markup(tag("h2", "Results"))
            with gr.Row(elem_classes="dr-fields"):
                base = gr.Dropdown([], label="Baseline", filterable=False, elem_id="experiment-base")
                models = [("Last stage of the method", METHOD), *((label(name), name) for name in LABELS)]
                model = gr.Dropdown(models, value=METHOD, label="Model", filterable=False, elem_id="experiment-model")
                metric = gr.Dropdown(list(METRICS), value=METRICS[0], label="Metric", filterable=False)
            results = markup(elem_id="experiment-results")
            copies = markup(elem_id="experiment-copies")
            effects = chart_area("effects")
        with gr.Column(elem_classes="dr-card") as seeds_card:
            markup(tag("h2", "Runs by seed"))
            seeds = markup(elem_id="experiment-seeds")
        with gr.Column(elem_classes="dr-card") as slices_card:
            markup(tag("h2", "By rarity of the next item"))
            sliced = markup(elem_id="experiment-slices")
            slice_charts = chart_area("slices")
        with gr.Column(elem_classes="dr-card"):
            markup(tag("h2", "Curves"))
            colours = markup()
            curves = chart_area("curves")
    seen, first = gr.State(""), gr.Textbox(visible=False)
    timer = gr.Timer(SECONDS)
    cards = [searching, close, results_card, seeds_card, slices_card]
    drawn = [*cards, top, trials, results, copies, effects, seeds, sliced, slice_charts, colours, curves]
    outputs = [seen, page, actions, base, *drawn]

    def opened(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        reference = query.get("id", "")
        rows = (query.get("model") or METHOD, query.get("metric") or METRICS[0])
        rows = (rows[0] if rows[0] in (METHOD, *LABELS) else METHOD, rows[1] if rows[1] in METRICS else METRICS[0])
        return [reference, *rows, *show(reference, query.get("base"), *rows, "", access.is_read_only(request))]

    def show(reference: str, baseline: str | None, model: str, metric: str, last: str, locked: bool) -> list[Any]:
        try:
            if not reference:
                everything = tag("h1", "Experiments", class_="dr-title") + view.listing(experiments.listed())
                return [*HIDDEN, Html(everything), *BLANK]
            found = experiments.standing(reference)
            now = f"{[(run.id, run.state) for run in found.runs]}{found.experiment}{baseline}{model}{metric}"
            if now == last:
                return [gr.skip()] * len(outputs)
            return [now, *_draw(found, baseline, model, metric, locked)]
        except Exception as error:
            back = link("All experiments", EXPERIMENTS, class_="dr-button")
            failed = empty("No experiment to show", error_text(error), back)
            return [*HIDDEN, failed, *BLANK]

    def lead(name: str) -> Callable[..., Html]:
        @or_notice()
        def act(reference: str, request: gr.Request) -> Html:
            access.require_change(request)
            action, state = LEADING[name]
            return notice("ok", f"{plural(action(reference), 'run')} {state}.")

        return act

    @or_notice()
    def closed(reference: str, request: gr.Request) -> Html:
        access.require_change(request)
        best = searches.close(reference)
        outcome = f"{best.run.name} goes on to the test users" if best else "no trial was validated"
        return notice("ok", f"Closed: {outcome}.")

    def renewed(reference: str, baseline: str | None, model: str, metric: str, last: str, request: gr.Request) -> Any:
        return show(reference, baseline, model, metric, last, access.is_read_only(request))

    def ticked(reference: str, baseline: str | None, model: str, metric: str, last: str, request: gr.Request) -> Any:
        """All but the baseline, which its reader may be choosing, and whether it has its first choices."""
        pieces = renewed(reference, baseline, model, metric, last, request)
        chosen = pieces.pop(outputs.index(base))
        return [*pieces, "there" if not baseline and isinstance(chosen, gr.Dropdown) else gr.skip()]

    def begun(reference: str, baseline: str | None, model: str, metric: str, request: gr.Request) -> Any:
        return renewed(reference, baseline, model, metric, "", request)

    asked = [chosen, base, model, metric, seen]
    blocks = gr.context.Context.root_block
    blocks.load(opened, None, [chosen, model, metric, *outputs], **UNQUEUED).then(fn=None, js=OPENED)
    timer.tick(ticked, asked, [*(output for output in outputs if output is not base), first], **UNQUEUED)
    first.change(begun, asked[:-1], outputs, **UNQUEUED)
    for control in (base, model, metric):
        event = control.input(renewed, asked, outputs, trigger_mode="always_last", **UNQUEUED)
        event.then(fn=None, inputs=[chosen, base, model, metric], js=KEEP_IN_ADDRESS)
    for name, button in buttons.items():
        button.click(lead(name), chosen, message, **UNQUEUED).then(renewed, asked, outputs, **UNQUEUED)
    close.click(closed, chosen, message, **UNQUEUED).then(renewed, asked, outputs, **UNQUEUED)


BUTTONS = {"pause": "Pause", "resume": "Resume", "retry-failed": "Retry failed", "cancel": "Cancel"}
CLOSE = "Close, and test the best"
BLANK = [""] * 9
HIDDEN = ["", gr.Column(visible=False), gr.Row(visible=False), gr.skip(), *[gr.skip()] * 5]
"""Before the head, where no experiment is shown."""


def _draw(found: ExperimentState, chosen: str | None, model: str, metric: str, locked: bool) -> list[Any]:
    """Everything below the fingerprint, in the order of the outputs."""
    variants, sought = group_runs(found), None
    measured = variants
    if found.experiment.search is not None:
        sought = searches.standing(found.experiment.id)
        measured = [group for group in variants if any(run.state == "done" for run in group.runs.values())]
    shown = bool(measured) and (sought is None or found.experiment.closed)
    cards = [
        gr.Column(visible=sought is not None),
        gr.Button(visible=not (locked or found.experiment.closed)),
        *[gr.Column(visible=shown)] * 3,
    ]
    page = [gr.Column(visible=bool(variants)), gr.Row(visible=not locked)]
    head = view.head(found, sought.search.trials if sought else None)
    trials = search_view.sought(sought) if sought else ""
    place = {run.id: group.place for group in variants for run in group.runs.values()}
    curves = _curves(variants, place)
    if not shown:
        return [*page, gr.skip(), *cards, head, trials, *[""] * 6, *curves]
    baseline = next((group for group in measured if group.label == chosen), measured[0])
    read_answers(measured, model)
    figures = spreads(measured, METRICS)
    differences = against(measured, baseline.place, metric)
    arguments = (measured, figures, differences, METRICS, metric, baseline)
    runs = [run for group in measured for run in group.runs.values() if run.state == "done"]
    asked = {"id": found.experiment.id, "base": baseline.label, "model": model, "metric": metric}
    report = f"./-/experiment.html?{urlencode(asked)}"
    models, names = {run.id: row_of(run, model) for run in runs}, run_names(measured)
    return [
        *page,
        gr.Dropdown(choices=[group.label for group in measured], value=baseline.label),
        *cards,
        head,
        trials,
        view.results(*arguments),
        tag("div", published(_reports(runs), names), view.report_link(table(found.experiment.name, *arguments), report))
        if figures
        else without(f"figures of {label(model) if model != METHOD else 'the last stage'}"),
        chart_data("effects", _effects(measured, figures, metric, found.experiment.id)),
        view.by_seed(measured, metric) + copies(seed_table(found.experiment.name, measured, metric)),
        *slices(runs, models, metric, "rarity", place, names),
        *curves,
    ]


def _reports(runs: Sequence[Run]) -> list[Report]:
    """Of one run of each data set, as far as there are results."""
    found = []
    for run in {run.config["data"]["dataset"]: run for run in reversed(runs)}.values():
        with suppress(StudioError):
            found.append(Report.model_validate(api.results(run.id)))
    return found


def _effects(variants: list[VariantRuns], figures: Any, metric: str, key: str) -> list[tuple[str, Any]]:
    """Means with their intervals over users."""
    estimates = [
        ChartEstimate(group.label, it.mean, it.users.low, it.users.high, group.place)
        for group in variants
        if (it := figures.get((group.place, metric)))
    ]
    return [(f"{metric} among the candidates, intervals over users", interval_figure({"": estimates}, metric, key=key))]


def _curves(variants: list[VariantRuns], place: dict[str, int]) -> list[Html]:
    """The usual curves of all runs that have begun, in the colours of their variants; their legend goes before."""
    runs = [run for group in variants for run in group.runs.values() if run.started_at]
    there = records.curve_names([run.id for run in runs])
    legend = [(group.label, group.place) for group in variants]
    return overlaid(runs, [curve for curve in CURVES if curve in there], place, legend, run_names(variants))
