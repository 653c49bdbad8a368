"""Pattern: did stage 1 of a run distil anything, and how far are its explanations to be trusted?

Three measurements that take minutes, each asked by a button, answered by the worker and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from engine.errors import StudioError
from engine.rows import all_rows
from engine.settings import make_config
from jobs import api
from webapp import measurement_state
from webapp import pattern_charts as charts
from webapp.access import Access
from webapp.events import UNQUEUED, PagePart
from webapp.html import Html, tag
from webapp.layout import chart_area, frame, markup
from webapp.measurement_state import PATTERN, TESTS, TRUST, MeasurementsView
from webapp.pages.measurement_controls import answered, controls, live, noted
from webapp.views import falsification
from webapp.views import pattern as view
from webapp.views.charts import chart_box, chart_data

MOST = 200


def build(access: Access) -> None:
    """Draw the page."""
    frame("Runs", "Distilled pattern")
    problem = markup(elem_id="pattern-problem")
    with gr.Column(visible=False) as page:
        header = markup(elem_id="pattern-head")
        note = markup(elem_id="pattern-note")
        with gr.Column(elem_classes="dr-card"):
            message = markup(elem_id="pattern-verdict")
            with gr.Row(elem_classes="dr-fields") as controls_row:
                other = gr.Dropdown([], label="Try another run's prompt too", elem_id="pattern-other")
            asking = [controls(PATTERN, other)]
        with gr.Column(visible=False) as found:
            with gr.Column(elem_classes="dr-card"):
                markup(tag("h2", "Agreement with the teacher"))
                markup(chart_box("agreement"), elem_id="pattern-charts")
                table = markup(elem_id="pattern-agreement")
            with gr.Column(elem_classes="dr-card"):
                markup(_heading("What the models look at", "How much single titles count by their age: a model that "
                                 "took over the teacher's pattern has its profile. Stage 1's own tasks, and the ranks "
                                 "that AdaLoRA left to each module, stand beside."))  # fmt: skip
                markup(chart_box("profile"), elem_id="pattern-profile")
            with gr.Column(elem_classes="dr-card"):
                markup(tag("h2", "The soft tokens among title tokens"))
                tokens = markup(elem_id="pattern-tokens")
        drawn = markup()
        with gr.Column(elem_classes="dr-card"):
            markup(_heading("Six tests that could show that nothing was distilled", "Each says what would have to be "
                             "seen, and whether it was. In the shell: delrec falsify."))  # fmt: skip
            asking.append(controls(TESTS))
            tests = markup(elem_id="tests")
        with gr.Column(elem_classes="dr-card"):
            markup(_heading("How far to trust the reasons", "Are the titles that explanations name the ones that "
                             "count? They are removed, most important first."))  # fmt: skip
            rows = markup(elem_id="trust-rows")
            asking.append(controls(TRUST))
            trust = markup(elem_id="trust")
            trust_drawn = chart_area("deletion", elem_id="trust-charts")

    parts: list[PagePart[MeasurementsView]] = [
        PagePart("head", [header], lambda v: v.run.name, lambda v: [view.head(v.run)]),
        PagePart("pattern", [message, found, table, tokens, drawn], lambda v: answered(v, PATTERN), _pattern),
        PagePart("tests", [tests], lambda v: v.tests and hash(v.tests.to_json()), _tests),
        PagePart(
            "rows", [rows], lambda v: v.row, lambda v: [view.rows(v.run, v.row, all_rows(make_config(v.run.config)))]
        ),
        PagePart("trust", [trust, trust_drawn], lambda v: answered(v, TRUST), _trust),
    ]
    live(access, problem, page, parts, asking, "No pattern to show")

    def offered(request: gr.Request) -> Sequence[Any]:
        """Once, when the page opens: a tick would undo what somebody chose meanwhile."""
        try:
            return _others(measurement_state.load(dict(request.query_params), read_only=access.is_read_only(request)))
        except StudioError:  # the first look says it
            return [gr.skip(), gr.skip()]

    gr.context.Context.root_block.load(offered, None, [controls_row, other], **UNQUEUED)
    gr.context.Context.root_block.load(noted, None, note, **UNQUEUED)


def _heading(title: str, text: str) -> Html:
    return tag("div", tag("h2", title), tag("p", text))


def _others(state: MeasurementsView) -> Sequence[Any]:
    choices = view.other_choices(api.runs(states=["done"], limit=MOST), state.run)
    pattern = state.asked.get(PATTERN.kind)
    asked = (pattern.request.get("prompt_of") or [None])[0] if pattern else None
    known = [run_id for _, run_id in choices]
    value = asked if asked in known else (known[0] if known and pattern is None else None)
    shown = bool(choices) and state.prompted and not state.read_only
    return [gr.Row(visible=shown), gr.Dropdown(choices=[("none", ""), *choices], value=value or "")]


def _pattern(state: MeasurementsView) -> Sequence[Any]:
    answer = state.standing(PATTERN).answer
    if answer is None:
        return ["", gr.Column(visible=False), "", "", ""]
    called, key = view.names(answer), f"{state.run.id}/{answered(state, PATTERN)}"
    figures = [("Effect of a title by its age", charts.recency_figure(answer["recency"], called, f"{key}/recency"))]
    if answer["tasks"]:
        figures.append(("Accuracy in stage 1's tasks (TA, RPS)", charts.task_figure(answer["tasks"], f"{key}/tasks")))
    if answer["ranks"]:
        most = answer["rank_bounds"]["init_r"]
        figures.append(("Ranks left by AdaLoRA", charts.rank_figure(answer["ranks"], most, f"{key}/ranks")))
    agreement = charts.agreement_figures(answer["agreement"], called, key)
    data = tag("div", chart_data("agreement", agreement), chart_data("profile", figures))
    return [view.verdict(answer), gr.Column(visible=True), view.agreement(answer), view.tokens(answer), data]


def _tests(state: MeasurementsView) -> Sequence[Any]:
    return [falsification.tests(state.tests) if state.tests else ""]


def _trust(state: MeasurementsView) -> Sequence[Any]:
    answer = state.standing(TRUST).answer
    if answer is None:
        return ["", chart_data("deletion", [])]
    figure = charts.deletion_figure(answer["deletion_curve"], f"{state.run.id}/deletion")
    return [view.trust(answer), chart_data("deletion", [("Deletion curve", figure)])]
