"""Users: the test users of a run on whom teacher and model agree or do not. The address says all."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from engine.errors import StudioError
from engine.evaluate.across import outcome_of_each
from engine.evaluate.users import user_rows
from jobs import api
from webapp.events import QUIET, tell
from webapp.html import link
from webapp.inspect.subjects import subjects_of
from webapp.predictions import answers_of
from webapp.shell import READING, RUNS, empty, frame, notice
from webapp.views import users as view
from webapp.views.compare import OUTCOMES, SLUGS

PAGE = 25


def build() -> None:
    """Draw the page."""
    frame("Compare", "Users")
    head = gr.HTML(READING, js_on_load=None, elem_id="users-head")
    with gr.Column(elem_classes="dr-card"):
        filters = gr.HTML(js_on_load=None, elem_id="users-filters")
        table = gr.HTML(js_on_load=None, elem_id="users")
        pager = gr.HTML(js_on_load=None, elem_id="users-pager")

    def opened(request: gr.Request) -> list[Any]:
        try:
            return _draw(dict(request.query_params))
        except Exception as error:
            back = link("All runs", RUNS[0], class_="dr-button")
            return [empty("No users to show", tell(error), back), "", "", ""]

    gr.context.Context.root_block.load(opened, None, [head, filters, table, pager], **QUIET)


def _draw(query: dict[str, str]) -> list[Any]:
    if not query.get("run"):
        raise StudioError("the address names no run", remedy="choose a number of the comparison's agreement table")
    run = api.status(query["run"])
    subjects = subjects_of(run)
    predictions = subjects.predictions
    others = [row for row in predictions.models if row != predictions.teacher]
    asked = view.Asked(
        run.id,
        query.get("model") or others[-1],
        {slug: name for name, slug in SLUGS.items()}.get(query.get("outcome", ""), ""),
        query.get("slice", "") if query.get("slice", "") in subjects.slices else "",
    )
    each = outcome_of_each(answers_of(run, predictions.teacher), answers_of(run, asked.model))
    inside = subjects.slices.get(asked.part, np.arange(len(each)))
    chosen = inside[each[inside] == asked.outcome] if asked.outcome else inside
    pages = max(1, -(-len(chosen) // PAGE))
    page = min(max(1, _number(query.get("page", "1"))), pages)
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


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
