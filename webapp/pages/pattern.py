"""Pattern: did stage 1 of a run distil anything, and how far are its explanations to be trusted?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from db.explanations import Explanation
from db.runs import Run
from engine.errors import StudioError
from jobs import answers, api
from webapp import pattern_charts as charts
from webapp.access import Access
from webapp.events import QUIET, Part, refresh, tell
from webapp.html import Html, link, tag
from webapp.shell import RUNS, empty, frame, notice
from webapp.views import pattern as view
from webapp.views.charts import chart_box, chart_data

LIVE_SECONDS = 1.5
PATTERN, TRUST = "pattern", "faithfulness"
MOST = 200
NO_PROMPT = "This run has no soft prompt, so nothing can have been distilled into it."
PATTERN_WAITS = "Not measured yet. A few minutes on two cores, beside whatever else runs."
OUTDATED = "Another version of this program measured these figures; measure again for those of this one."
TRUST_WAITS = "Not measured yet. About six minutes on two cores, beside whatever else runs."


@dataclass(frozen=True)
class View:
    """What one look at the database gives."""

    run: Run
    pattern: Explanation | None
    trust: Explanation | None
    read_only: bool

    @property
    def prompted(self) -> bool:
        """Whether the run has a soft prompt at all."""
        return bool(self.run.config["distill"]["prompt"] != "none")

    @property
    def pending(self) -> bool:
        return any(asked is not None and not asked.settled for asked in (self.pattern, self.trust))


def build(access: Access) -> None:
    """Draw the page."""
    frame("Runs", "Distilled pattern")
    timer = gr.Timer(LIVE_SECONDS, active=False)
    problem = gr.HTML(js_on_load=None, elem_id="pattern-problem")
    with gr.Column(visible=False) as page:
        header = gr.HTML(js_on_load=None, elem_id="pattern-head")
        with gr.Column(elem_classes="dr-card"):
            said = gr.HTML(js_on_load=None, elem_id="pattern-verdict")
            with gr.Row(elem_classes="dr-fields") as controls:
                other = gr.Dropdown([], label="Try another run's prompt too", elem_id="pattern-other")
            measure = gr.Button("Measure the pattern", variant="primary", size="sm", elem_id="measure-pattern")
            progress = gr.HTML(js_on_load=None, elem_id="pattern-progress")
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
            gr.HTML(_heading("How far to trust the reasons", "Are the titles that explanations name the ones that "
                             "count? They are removed, most important first."), js_on_load=None)  # fmt: skip
            trust_button = gr.Button("Measure the trust figures", variant="primary", size="sm", elem_id="measure-trust")
            trust_progress = gr.HTML(js_on_load=None, elem_id="trust-progress")
            trust = gr.HTML(js_on_load=None, elem_id="trust")
            gr.HTML(chart_box("deletion"), js_on_load=None, elem_id="trust-charts")
            trust_drawn = gr.HTML(js_on_load=None)

    parts: list[Part[View]] = [
        Part("head", [header], lambda v: v.run.name, lambda v: [view.head(v.run)]),
        Part("others", [controls, other], lambda v: (v.run.id, _asks(v.pattern)), _others),
        Part(
            "measure",
            [measure],
            lambda v: (v.read_only, _asks(v.pattern)),
            lambda v: [_button(v, v.pattern, v.prompted)],
        ),
        Part("progress", [progress], lambda v: _key(v.pattern), _progress),
        Part("pattern", [said, found, table, tokens, drawn], lambda v: _answered(v.pattern), _pattern),
        Part(
            "ask trust", [trust_button], lambda v: (v.read_only, _asks(v.trust)), lambda v: [_button(v, v.trust, True)]
        ),
        Part("trust progress", [trust_progress], lambda v: _key(v.trust), lambda v: _stand(v.trust, TRUST_WAITS)),
        Part("trust", [trust, trust_drawn], lambda v: _answered(v.trust), _trust),
        Part("pace", [timer], lambda v: v.pending, lambda v: [gr.Timer(LIVE_SECONDS, active=v.pending)]),
    ]
    seen = gr.State({})
    outputs = [problem, page, *(component for part in parts for component in part.components), seen]
    skipped = len(outputs) - 3

    def look(known: dict[str, Any], request: gr.Request) -> list[Any]:
        try:
            state = _view(dict(request.query_params), access.is_read_only(request))
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

    def ask(kind: str, chosen: str | None, request: gr.Request) -> Html | str:
        try:
            access.require_change(request)
            wanted = {"prompt_of": [chosen]} if chosen else {}
            api.ask(kind, _run_id(dict(request.query_params)), wanted)
        except Exception as error:
            return notice("bad", tell(error))
        return ""

    def ask_pattern(chosen: str | None, request: gr.Request) -> Html | str:
        return ask(PATTERN, chosen, request)

    def ask_trust(request: gr.Request) -> Html | str:
        return ask(TRUST, None, request)

    measure.click(ask_pattern, other, problem, **QUIET).success(look, seen, outputs, **QUIET)
    trust_button.click(ask_trust, None, problem, **QUIET).success(look, seen, outputs, **QUIET)
    timer.tick(look, seen, outputs, **QUIET)
    gr.context.Context.root_block.load(look, seen, outputs, **QUIET)


def _heading(title: str, text: str) -> Html:
    return tag("div", tag("h2", title), tag("p", text))


def _run_id(query: dict[str, str]) -> str:
    if not query.get("run"):
        raise StudioError("the address names no run", remedy="choose one from the list of runs")
    return query["run"]


def _view(query: dict[str, str], read_only: bool) -> View:
    run = api.status(_run_id(query))
    if run.state != "done":
        raise StudioError(f"{run.name} is {run.state}", remedy="a run's pattern can be measured once it is done")
    latest: dict[str, Explanation] = {}
    for asked in api.explanations(run.id):
        known = latest.get(asked.kind)
        if known is None or known.settled or not asked.settled:
            latest[asked.kind] = asked
    return View(run, latest.get(PATTERN), latest.get(TRUST), read_only)


def _key(asked: Explanation | None) -> Hashable:
    """Changes with everything that the progress shows."""
    known = (asked and asked.partial) or {}
    return _asks(asked), known.get("measuring"), known.get("done"), asked and asked.error


def _asks(asked: Explanation | None) -> Hashable:
    return (asked.id, asked.state) if asked else None


def _answered(asked: Explanation | None) -> Hashable:
    return asked.id if asked and asked.state == "done" else None


def _outdated(asked: Explanation | None) -> bool:
    """Whether other code than this one measured it."""
    return asked is not None and asked.state == "done" and asked.request != answers.stamped(asked.request)


def _button(state: View, asked: Explanation | None, possible: bool) -> Any:
    """Shown to those who may ask, unless that is measured or under way; a failed one can be tried again."""
    busy = asked is not None and asked.state in ("queued", "running")
    done = asked is not None and asked.state == "done"
    repeat = done and asked is not None and asked.kind == PATTERN  # with another prompt
    again = not done or repeat or _outdated(asked)
    return gr.Button(visible=possible and not state.read_only and not busy and again)


def _progress(state: View) -> Sequence[Any]:
    return _stand(state.pattern, PATTERN_WAITS if state.prompted else NO_PROMPT)


def _stand(asked: Explanation | None, wait: str) -> Sequence[Any]:
    return [notice("warn", OUTDATED) if _outdated(asked) else view.state(asked, wait)]


def _others(state: View) -> Sequence[Any]:
    choices = view.other_choices(api.runs(states=["done"], limit=MOST), state.run)
    asked = (state.pattern.request.get("prompt_of") or [None])[0] if state.pattern else None
    known = [run_id for _, run_id in choices]
    value = asked if asked in known else (known[0] if known and state.pattern is None else None)
    shown = bool(choices) and state.prompted and not state.read_only
    return [gr.Row(visible=shown), gr.Dropdown(choices=[("none", ""), *choices], value=value or "")]


def _pattern(state: View) -> Sequence[Any]:
    answer = state.pattern.answer if state.pattern and state.pattern.state == "done" else None
    if answer is None:
        return ["", gr.Column(visible=False), "", "", ""]
    called, key = view.names(answer), f"{state.run.id}/{state.pattern and state.pattern.id}"
    figures = [("Effect of a title by its age", charts.recency_figure(answer["recency"], called, f"{key}/recency"))]
    if answer["tasks"]:
        figures.append(("Accuracy in stage 1's tasks (TA, RPS)", charts.task_figure(answer["tasks"], f"{key}/tasks")))
    if answer["ranks"]:
        most = answer["rank_bounds"]["init_r"]
        figures.append(("Ranks left by AdaLoRA", charts.rank_figure(answer["ranks"], most, f"{key}/ranks")))
    agreement = charts.agreement_figures(answer["agreement"], called, key)
    data = tag("div", chart_data("agreement", agreement), chart_data("profile", figures))
    return [view.verdict(answer), gr.Column(visible=True), view.agreement(answer), view.tokens(answer), data]


def _trust(state: View) -> Sequence[Any]:
    answer = state.trust.answer if state.trust and state.trust.state == "done" else None
    if answer is None:
        return ["", chart_data("deletion", [])]
    figure = charts.deletion_figure(answer["deletion_curve"], f"{state.run.id}/deletion")
    return [view.trust(answer), chart_data("deletion", [("Deletion curve", figure)])]
