"""Tour: three users of a run explained step by step, for those who see all this for the first time.

What is shown can be taken along as one file, see :mod:`webapp.tour_file`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from jobs import api
from webapp.access import Access
from webapp.events import UNQUEUED, LatestRequest, PagePart, error_text, refresh
from webapp.formatting import number_in_address
from webapp.html import Html, link
from webapp.inspect.page import ANSWERED, LIVE_SECONDS, RELAY, WAITING_SECONDS
from webapp.inspect.question import Question
from webapp.inspect.session import QuestionState, finished_run, to_come
from webapp.inspect.subjects import Subjects, subjects_of
from webapp.inspect.views import share as share_view
from webapp.layout import READING, RUNS, empty, frame, markup, notice
from webapp.tour_stops import STEPS, Stop, measured, stops
from webapp.views import tour as view


@dataclass(frozen=True)
class TourView:
    """What one look gives."""

    subjects: Subjects
    step: int
    """From 1."""
    stop: Stop
    """The user of this step; none in the first and the last."""
    standing: QuestionState
    ahead: bool
    """Whether users of other steps are still measured."""
    idle: bool

    @property
    def address(self) -> str:
        return f"./tour?{urlencode({'run': self.subjects.run.id, 'step': self.step})}"

    def states(self) -> tuple[Hashable, ...]:
        """Changes with the step and with what is known."""
        known = (self.standing.state(part) for part in self.standing.parts)
        return (self.address, self.stop, *known, str(self.standing.answer and self.standing.answer.writing))


def build(_: Access) -> None:
    """Draw the page."""
    frame("Inspect", "Tour")
    timer = gr.Timer(LIVE_SECONDS, active=False)
    relay = gr.HTML(js_on_load=RELAY, elem_id="ask-relay")
    problem = markup(READING, elem_id="tour-problem")
    head = markup(elem_id="tour-head")
    progress = markup(elem_id="tour-progress")
    body = markup(elem_id="tour-body")
    walk = markup(elem_id="tour-walk")
    address = gr.Textbox(visible=False)
    where, seen = gr.State(LatestRequest({})), gr.State({})
    parts: list[PagePart[TourView]] = [
        PagePart("head", [head], lambda v: v.address, lambda v: [view.head(v.subjects, v.step)]),
        PagePart("progress", [progress], lambda v: (*v.states(), v.idle), _progress),
        PagePart("body", [body], TourView.states, _body),
        PagePart(
            "walk", [walk], lambda v: (v.address, _waits(v)), lambda v: [view.walk(v.subjects, v.step, _waits(v))]
        ),
        PagePart("pace", [timer], lambda v: (v.address, _waits(v), v.idle), _pace),
    ]
    outputs = [where, seen, address, problem, *(component for part in parts for component in part.components)]

    def show(asked: LatestRequest[dict[str, str]], last: dict[str, Any], *, again: bool = False) -> list[Any]:
        requested = asked.now
        try:
            state = _view(requested, again)
            fresh, values = refresh(parts, state, last)
            found = {"run": state.subjects.run.id, "step": str(state.step)}
            shown = [asked, fresh, state.address, "", *values]
        except Exception as error:
            nothing = empty("No tour", error_text(error), link("All runs", RUNS, class_="dr-button"))
            pace = gr.Timer(WAITING_SECONDS, active=to_come(requested.get("run", "")))
            found, shown = requested, [asked, {}, gr.skip(), nothing, "", "", "", "", pace]
        return shown if asked.settle(requested, found) else [gr.skip()] * len(outputs)

    def opened(asked: LatestRequest[dict[str, str]], request: gr.Request) -> list[Any]:
        asked.now = dict(request.query_params)
        return show(asked, {}, again=True)

    def tick(asked: LatestRequest[dict[str, str]], last: dict[str, Any], request: gr.Request) -> list[Any]:
        return show(recalled(asked, request), last)

    def act(
        asked: LatestRequest[dict[str, str]], last: dict[str, Any], event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        action = event._data if isinstance(event._data, dict) else {}
        if "address" in action:
            asked.now = Question.parse(str(action["address"]))
        elif "step" in action:
            asked.now = {**recalled(asked, request).now, "step": str(action["step"])}
        return show(asked, last, again="again" in action)

    gr.context.Context.root_block.load(opened, where, outputs, **UNQUEUED).then(fn=None, inputs=address, js=ANSWERED)
    clicked = relay.click(act, [where, seen], outputs, trigger_mode="always_last", **UNQUEUED)
    clicked.then(fn=None, inputs=address, js=ANSWERED)
    timer.tick(tick, [where, seen], outputs, **UNQUEUED)


def recalled(asked: LatestRequest[dict[str, str]], request: gr.Request) -> LatestRequest[dict[str, str]]:
    """Run and step; read from the address where the server has forgotten them, or was started anew."""
    if not asked.now:
        asked.settle({}, dict(request.query_params))
    return asked


def _view(query: dict[str, str], again: bool) -> TourView:
    """The step that the address names; users of the steps to come are measured while this one is read.

    Raises:
        StudioError: no such run, or it is not done.
    """
    run = finished_run(query.get("run", ""))
    subjects = subjects_of(run)
    step = number_in_address(query.get("step", "1"), STEPS)
    users = stops(subjects)
    now = users.get(step, Stop(None))
    standing = measured(now, again=again)
    ahead = False
    if not standing.pending:
        ahead = any(measured(other).pending for number, other in users.items() if number != step)
    waits = standing.pending or ahead
    return TourView(subjects, step, now, standing, ahead, waits and not api.workers())


def _progress(v: TourView) -> Sequence[Any]:
    return [Html(share_view.progress(v.standing, v.idle) + share_view.failures(v.standing))]


def _body(v: TourView) -> Sequence[Any]:
    if v.step == 1:
        return [view.beginning(v.subjects)]
    if v.step == STEPS:
        return [view.end(v.subjects, api.results(v.subjects.run.id))]
    if v.stop.question is None:
        return [notice("info", view.nobody(v.step))]
    if not v.stop.settled:
        return [view.looking(v.stop)]
    return [view.person(v.subjects, v.stop.question, v.standing.answer, v.step)]


def _waits(v: TourView) -> bool:
    return v.standing.pending or v.ahead


def _pace(v: TourView) -> Sequence[Any]:
    return [gr.Timer(WAITING_SECONDS if v.idle else LIVE_SECONDS, active=_waits(v))]
