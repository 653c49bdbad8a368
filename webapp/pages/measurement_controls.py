"""What pages about a whole run share: buttons that have something measured, how far it is, one look at all of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import StudioError
from jobs import api
from webapp import measurement_state, previews
from webapp.access import Access
from webapp.events import UNQUEUED, PagePart, error_text, or_notice, refresh
from webapp.html import Html, link
from webapp.layout import RUNS, empty, markup, notice
from webapp.measurement_state import Measurement, MeasurementState, MeasurementsView
from webapp.views import pattern as view

LIVE_SECONDS = 1.5
OUTDATED = "Another version of this program measured these figures; measure again for those of this one."


@dataclass(frozen=True)
class Controls:
    """The buttons of one measurement."""

    what: Measurement
    ask: gr.Button
    stop: gr.Button
    parts: Sequence[PagePart[MeasurementsView]]
    extra: Component | None = None
    """What else is sent along with the question."""


def controls(what: Measurement, extra: Component | None = None) -> Controls:
    """Draw the buttons that ask and stop, and how far it is."""
    with gr.Row(elem_classes="dr-actions"):
        ask = gr.Button(what.label, variant="primary", size="sm", elem_id=f"measure-{what.name}")
        stop = gr.Button("Stop", size="sm", elem_id=f"stop-{what.name}")
    progress = markup(elem_id=f"{what.name}-progress")
    parts: list[PagePart[MeasurementsView]] = [
        PagePart(
            f"ask {what.name}",
            [ask, stop],
            lambda v: (v.read_only, v.standing(what).state),
            lambda v: _buttons(v.standing(what)),
        ),
        PagePart(
            f"{what.name} progress",
            [progress],
            lambda v: v.standing(what).progress,
            lambda v: [_progress(v.standing(what))],
        ),
    ]
    return Controls(what, ask, stop, parts, extra)


def answered(state: MeasurementsView, what: Measurement) -> Hashable:
    """Changes with the answer that is there."""
    asked = state.asked.get(what.kind)
    return asked.id if asked and asked.state == "done" else None


def live(
    access: Access,
    problem: gr.HTML,
    page: gr.Column,
    parts: Sequence[PagePart[MeasurementsView]],
    asking: Sequence[Controls],
    nothing: str = "",
) -> None:
    """Have ``page`` drawn when it opens, after every press, and while something is measured.

    Args:
        problem: says what was wrong with a press.
        parts: beside those of the buttons.
        nothing: heads, there too, why there is nothing to show; empty where the page says that itself.
    """
    timer = gr.Timer(LIVE_SECONDS, active=False)
    pace: PagePart[MeasurementsView] = PagePart(
        "pace", [timer], lambda v: v.pending, lambda v: [gr.Timer(LIVE_SECONDS, active=v.pending)]
    )
    drawn = [*parts, *(part for each in asking for part in each.parts), pace]
    seen = gr.State({})
    outputs = [problem, page, *(component for part in drawn for component in part.components), seen]
    skipped = len(outputs) - 3

    def refresh_view(known: dict[str, Any], request: gr.Request) -> list[Any]:
        try:
            state = measurement_state.load(dict(request.query_params), read_only=access.is_read_only(request))
        except Exception as error:
            back = link("All runs", RUNS, class_="dr-button")
            message = empty(nothing, error_text(error), back) if nothing else ""
            return [message, gr.Column(visible=False), *[gr.skip()] * skipped, {}]
        fresh, values = refresh(drawn, state, known)
        return [gr.skip() if known else "", gr.Column(visible=True), *values, fresh]

    @or_notice()
    def change(act: Callable[[Mapping[str, str]], object], request: gr.Request) -> Html | str:
        access.require_change(request)
        act(dict(request.query_params))
        return ""

    def wire(each: Controls) -> None:
        def asked(request: gr.Request, chosen: str | None = None) -> Html | str:
            return change(lambda query: measurement_state.ask(each.what, query, chosen), request)

        def stopped(request: gr.Request) -> Html | str:
            return change(lambda query: measurement_state.stop(each.what, query), request)

        each.ask.click(asked, each.extra, problem, **UNQUEUED).success(refresh_view, seen, outputs, **UNQUEUED)
        each.stop.click(stopped, None, problem, **UNQUEUED).success(refresh_view, seen, outputs, **UNQUEUED)

    for each in asking:
        wire(each)
    timer.tick(refresh_view, seen, outputs, **UNQUEUED)
    gr.context.Context.root_block.load(refresh_view, seen, outputs, **UNQUEUED)


def noted(request: gr.Request) -> Html | str:
    """What is to be known about the run's data, if anything; what was measured is told without them."""
    try:
        note = previews.dataset_of_run(api.status(measurement_state.named_run(dict(request.query_params)))).note
    except StudioError:
        return ""
    return notice("info", note) if note else ""


def _buttons(standing: MeasurementState) -> Sequence[Any]:
    return [gr.Button(visible=standing.due), gr.Button(visible=standing.stoppable)]


def _progress(standing: MeasurementState) -> Html | str:
    if standing.outdated:
        return notice("warn", OUTDATED)
    if standing.asked is None and standing.there:
        return ""
    return view.state(standing.asked, standing.wait)
