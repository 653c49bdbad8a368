"""Pattern: did stage 1 of a run distil anything, and how far are its explanations to be trusted?

Three measurements that take minutes, each asked by a button, answered by the worker and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import gradio as gr

from engine.errors import StudioError
from jobs import api
from webapp import measuring, previews
from webapp import pattern_charts as charts
from webapp.access import Access
from webapp.events import QUIET, Part, refresh, tell
from webapp.html import Html, link, tag
from webapp.measuring import PATTERN, TESTS, TRUST, Measurement, Standing, View
from webapp.shell import RUNS, empty, frame, notice
from webapp.views import falsification
from webapp.views import pattern as view
from webapp.views.charts import chart_box, chart_data

LIVE_SECONDS = 1.5
MOST = 200
OUTDATED = "Another version of this program measured these figures; measure again for those of this one."


def build(access: Access) -> None:
    """Draw the page."""
    frame("Runs", "Distilled pattern")
    timer = gr.Timer(LIVE_SECONDS, active=False)
    problem = gr.HTML(js_on_load=None, elem_id="pattern-problem")
    parts: list[Part[View]] = []
    asking: list[tuple[Measurement, gr.Button, gr.Button]] = []

    def measured(what: Measurement) -> None:
        """Buttons that ask and stop, and how far it is."""
        with gr.Row(elem_classes="dr-actions"):
            ask = gr.Button(what.label, variant="primary", size="sm", elem_id=f"measure-{what.name}")
            stop = gr.Button("Stop", size="sm", elem_id=f"stop-{what.name}")
        progress = gr.HTML(js_on_load=None, elem_id=f"{what.name}-progress")
        asking.append((what, ask, stop))
        parts.append(
            Part(
                f"ask {what.name}",
                [ask, stop],
                lambda v: (v.read_only, v.standing(what).state),
                lambda v: _buttons(v.standing(what)),
            )
        )
        parts.append(
            Part(
                f"{what.name} progress",
                [progress],
                lambda v: v.standing(what).progress,
                lambda v: [_progress(v.standing(what))],
            )
        )

    with gr.Column(visible=False) as page:
        header = gr.HTML(js_on_load=None, elem_id="pattern-head")
        noted = gr.HTML(js_on_load=None, elem_id="pattern-note")
        with gr.Column(elem_classes="dr-card"):
            said = gr.HTML(js_on_load=None, elem_id="pattern-verdict")
            with gr.Row(elem_classes="dr-fields") as controls:
                other = gr.Dropdown([], label="Try another run's prompt too", elem_id="pattern-other")
            measured(PATTERN)
        with gr.Column(visible=False) as found:
            with gr.Column(elem_classes="dr-card"):
                gr.HTML(tag("h2", "Agreement with the teacher"), js_on_load=None)
                gr.HTML(chart_box("agreement"), js_on_load=None, elem_id="pattern-charts")
                table = gr.HTML(js_on_load=None, elem_id="pattern-agreement")
            with gr.Column(elem_classes="dr-card"):
                gr.HTML(_heading("What the models look at", "How much single titles count by their age: a model that "
                                 "took over the teacher's pattern has its profile. Stage 1's own tasks, and the ranks "
                                 "that AdaLoRA left to each module, stand beside."), js_on_load=None)  # fmt: skip
                gr.HTML(chart_box("profile"), js_on_load=None, elem_id="pattern-profile")
            with gr.Column(elem_classes="dr-card"):
                gr.HTML(tag("h2", "The soft tokens among title tokens"), js_on_load=None)
                tokens = gr.HTML(js_on_load=None, elem_id="pattern-tokens")
        drawn = gr.HTML(js_on_load=None)
        with gr.Column(elem_classes="dr-card"):
            gr.HTML(_heading("Six tests that could show that nothing was distilled", "Each says what would have to be "
                             "seen, and whether it was. In the shell: delrec falsify."), js_on_load=None)  # fmt: skip
            measured(TESTS)
            tests = gr.HTML(js_on_load=None, elem_id="tests")
        with gr.Column(elem_classes="dr-card"):
            gr.HTML(_heading("How far to trust the reasons", "Are the titles that explanations name the ones that "
                             "count? They are removed, most important first."), js_on_load=None)  # fmt: skip
            measured(TRUST)
            trust = gr.HTML(js_on_load=None, elem_id="trust")
            gr.HTML(chart_box("deletion"), js_on_load=None, elem_id="trust-charts")
            trust_drawn = gr.HTML(js_on_load=None)

    parts += [
        Part("head", [header], lambda v: v.run.name, lambda v: [view.head(v.run)]),
        Part("pattern", [said, found, table, tokens, drawn], lambda v: _answered(v, PATTERN), _pattern),
        Part(
            "tests",
            [tests],
            lambda v: v.tests and hash(v.tests.to_json()),
            lambda v: [falsification.tests(v.tests) if v.tests else ""],
        ),
        Part("trust", [trust, trust_drawn], lambda v: _answered(v, TRUST), _trust),
        Part("pace", [timer], lambda v: v.pending, lambda v: [gr.Timer(LIVE_SECONDS, active=v.pending)]),
    ]
    seen = gr.State({})
    outputs = [problem, page, *(component for part in parts for component in part.components), seen]
    skipped = len(outputs) - 3

    def look(known: dict[str, Any], request: gr.Request) -> list[Any]:
        try:
            state = measuring.look(dict(request.query_params), read_only=access.is_read_only(request))
        except Exception as error:
            back = link("All runs", RUNS[0], class_="dr-button")
            return [
                empty("No pattern to show", tell(error), back),
                gr.Column(visible=False),
                *[gr.skip()] * skipped,
                {},
            ]
        fresh, values = refresh(parts, state, known)
        return [gr.skip() if known else "", gr.Column(visible=True), *values, fresh]

    def offered(request: gr.Request) -> Sequence[Any]:
        """Once, when the page opens: a tick would undo what somebody chose meanwhile."""
        try:
            return _others(measuring.look(dict(request.query_params), read_only=access.is_read_only(request)))
        except StudioError:  # the first look says it
            return [gr.skip(), gr.skip()]

    def change(act: Callable[[str], object], request: gr.Request) -> Html | str:
        try:
            access.require_change(request)
            act(measuring.named_run(dict(request.query_params)))
        except Exception as error:
            return notice("bad", tell(error))
        return ""

    def wire(what: Measurement, ask: gr.Button, stop: gr.Button) -> None:
        def asked(request: gr.Request, chosen: str | None = None) -> Html | str:
            return change(lambda run_id: measuring.ask(what, run_id, chosen), request)

        def stopped(request: gr.Request) -> Html | str:
            return change(lambda run_id: measuring.stop(what, run_id), request)

        ask.click(asked, other if what is PATTERN else None, problem, **QUIET).success(look, seen, outputs, **QUIET)
        stop.click(stopped, None, problem, **QUIET).success(look, seen, outputs, **QUIET)

    for each in asking:
        wire(*each)
    timer.tick(look, seen, outputs, **QUIET)
    gr.context.Context.root_block.load(look, seen, outputs, **QUIET)
    gr.context.Context.root_block.load(offered, None, [controls, other], **QUIET)
    gr.context.Context.root_block.load(_note, None, noted, **QUIET)


def _note(request: gr.Request) -> Html | str:
    """What is to be known about the run's data, if anything; what was measured is told without them."""
    try:
        note = previews.dataset_of_run(api.status(measuring.named_run(dict(request.query_params)))).note
    except StudioError:
        return ""
    return notice("info", note) if note else ""


def _heading(title: str, text: str) -> Html:
    return tag("div", tag("h2", title), tag("p", text))


def _answered(state: View, what: Measurement) -> Hashable:
    asked = state.asked.get(what.kind)
    return asked.id if asked and asked.state == "done" else None


def _buttons(standing: Standing) -> Sequence[Any]:
    return [gr.Button(visible=standing.due), gr.Button(visible=standing.stoppable)]


def _progress(standing: Standing) -> Html | str:
    if standing.outdated:
        return notice("warn", OUTDATED)
    if standing.asked is None and standing.there:
        return ""
    return view.state(standing.asked, standing.wait)


def _others(state: View) -> Sequence[Any]:
    choices = view.other_choices(api.runs(states=["done"], limit=MOST), state.run)
    pattern = state.asked.get(PATTERN.kind)
    asked = (pattern.request.get("prompt_of") or [None])[0] if pattern else None
    known = [run_id for _, run_id in choices]
    value = asked if asked in known else (known[0] if known and pattern is None else None)
    shown = bool(choices) and state.prompted and not state.read_only
    return [gr.Row(visible=shown), gr.Dropdown(choices=[("none", ""), *choices], value=value or "")]


def _pattern(state: View) -> Sequence[Any]:
    answer = state.standing(PATTERN).answer
    if answer is None:
        return ["", gr.Column(visible=False), "", "", ""]
    called, key = view.names(answer), f"{state.run.id}/{_answered(state, PATTERN)}"
    figures = [("Effect of a title by its age", charts.recency_figure(answer["recency"], called, f"{key}/recency"))]
    if answer["tasks"]:
        figures.append(("Accuracy in stage 1's tasks (TA, RPS)", charts.task_figure(answer["tasks"], f"{key}/tasks")))
    if answer["ranks"]:
        most = answer["rank_bounds"]["init_r"]
        figures.append(("Ranks left by AdaLoRA", charts.rank_figure(answer["ranks"], most, f"{key}/ranks")))
    agreement = charts.agreement_figures(answer["agreement"], called, key)
    data = tag("div", chart_data("agreement", agreement), chart_data("profile", figures))
    return [view.verdict(answer), gr.Column(visible=True), view.agreement(answer), view.tokens(answer), data]


def _tests(state: View) -> Sequence[Any]:
    return [falsification.tests(state.tests) if state.tests else ""]


def _trust(state: View) -> Sequence[Any]:
    answer = state.standing(TRUST).answer
    if answer is None:
        return ["", chart_data("deletion", [])]
    figure = charts.deletion_figure(answer["deletion_curve"], f"{state.run.id}/deletion")
    return [view.trust(answer), chart_data("deletion", [("Deletion curve", figure)])]
