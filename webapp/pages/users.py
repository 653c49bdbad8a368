"""Users: the test users of a run on whom teacher and model agree or do not, and what drives each row over many of them.
The address says all."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import gradio as gr
import numpy as np

from engine.errors import StudioError
from engine.evaluate.paired import outcome_of_each
from engine.evaluate.users import user_rows
from jobs import api
from webapp.access import Access
from webapp.events import UNQUEUED, PagePart, error_text
from webapp.formatting import number_in_address
from webapp.html import join, link, tag
from webapp.inspect.subjects import subjects_of
from webapp.layout import READING, RUNS, chart_area, empty, frame, markup, notice
from webapp.measurement_state import DRIVERS, MeasurementsView
from webapp.pages.measurement_controls import answered, controls, live
from webapp.predictions import answers_of
from webapp.views import drivers as drivers_view
from webapp.views import users as view
from webapp.views.charts import chart_data
from webapp.views.compare import OUTCOMES, SLUGS

PAGE = 25


def build(access: Access) -> None:
    """Draw the page."""
    frame("Compare", "Users")
    head = markup(READING, elem_id="users-head")
    with gr.Column(elem_classes="dr-card"):
        filters = markup(elem_id="users-filters")
        table = markup(elem_id="users")
        pager = markup(elem_id="users-pager")
    problem = markup(elem_id="drivers-problem")
    with gr.Column(visible=False, elem_classes="dr-card", elem_id="drivers-card") as card:
        markup(tag("h2", "What drives each row"))
        asking = [controls(DRIVERS)]
        drivers = markup(elem_id="drivers")
        drawn = chart_area("drivers", elem_id="drivers-charts")
        stages = markup(elem_id="drivers-stages")
    live(access, problem, card, [PagePart("drivers", [drivers, drawn, stages], _drivers_key, _drivers)], asking)

    def opened(request: gr.Request) -> list[Any]:
        try:
            return _draw(dict(request.query_params))
        except Exception as error:
            back = link("All runs", RUNS, class_="dr-button")
            return [empty("No users to show", error_text(error), back), "", "", ""]

    gr.context.Context.root_block.load(opened, None, [head, filters, table, pager], **UNQUEUED)


def _drivers_key(state: MeasurementsView) -> Hashable:
    return answered(state, DRIVERS)


def _drivers(state: MeasurementsView) -> Sequence[Any]:
    answer = state.standing(DRIVERS).answer
    if answer is None:
        return ["", chart_data("drivers", []), ""]
    figures = drivers_view.figures(answer, f"{state.run.id}/drivers")
    summary = join([drivers_view.summary(answer), drivers_view.definitions(answer)])
    return [summary, chart_data("drivers", figures), drivers_view.stages(answer) or ""]


def _draw(query: dict[str, str]) -> list[Any]:
    if not query.get("run"):
        raise StudioError("the address names no run", remedy="choose a number of the comparison's agreement table")
    run = api.status(query["run"])
    subjects = subjects_of(run)
    predictions = subjects.predictions
    others = [row for row in predictions.models if row != predictions.teacher]
    asked = view.UserQuery(
        run.id,
        query.get("model") or others[-1],
        {slug: name for name, slug in SLUGS.items()}.get(query.get("outcome", ""), ""),
        query.get("slice", "") if query.get("slice", "") in subjects.slices else "",
    )
    each = outcome_of_each(answers_of(run, predictions.teacher), answers_of(run, asked.model))
    inside = subjects.slices.get(asked.part, np.arange(len(each)))
    chosen = inside[each[inside] == asked.outcome] if asked.outcome else inside
    pages = max(1, -(-len(chosen) // PAGE))
    page = number_in_address(query.get("page", "1"), pages)
    dataset = subjects.dataset
    problem = f"Titles are missing: {subjects.problem}." if dataset is None else dataset.note
    counts = {name: int((each[inside] == name).sum()) for name in OUTCOMES}
    sliced = {
        part: int((each[users] == asked.outcome).sum()) if asked.outcome else len(users)
        for part, users in subjects.slices.items()
    }
    rows = user_rows(predictions, chosen[(page - 1) * PAGE : page * PAGE])
    return [
        view.head(run, predictions.teacher, asked.model),
        view.filters(asked, others, counts, sliced),
        (notice("info", problem) if problem else "")
        + view.table(asked, rows, lambda item: subjects.choice(item).title, list(predictions.models),
                     subjects.user_labels),
        view.pager(asked, page, pages, len(chosen)),
    ]  # fmt: skip
