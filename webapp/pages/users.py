"""Users: the test users of a run on whom teacher and model agree or do not. The address says all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from db.runs import Run
from engine.data.references import UserLabels
from engine.errors import StudioError
from engine.evaluate.across import outcome_of_each
from engine.evaluate.users import user_rows
from jobs import api
from webapp import previews
from webapp.events import QUIET, tell
from webapp.html import link
from webapp.predictions import answers_of, predictions_of
from webapp.shell import RUNS, empty, frame, notice
from webapp.views import users as view
from webapp.views.compare import OUTCOMES, SLUGS

PAGE = 25


def build() -> None:
    """Draw the page."""
    frame("Compare", "Users")
    head = gr.HTML(js_on_load=None, elem_id="users-head")
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
    predictions = predictions_of(run)
    model = query.get("model") or list(predictions.models)[-1]
    each = outcome_of_each(answers_of(run, predictions.teacher), answers_of(run, model))
    outcome = {slug: name for name, slug in SLUGS.items()}.get(query.get("outcome", ""), "")
    counts = {name: int((each == name).sum()) for name in OUTCOMES}
    chosen = np.flatnonzero(each == outcome) if outcome else np.arange(len(each))
    pages = max(1, -(-len(chosen) // PAGE))
    page = min(max(1, _number(query.get("page", "1"))), pages)
    rows = user_rows(predictions, chosen[(page - 1) * PAGE : page * PAGE])
    title, problem = _titles(run)
    return [
        view.head(run, predictions.teacher, model),
        view.filters(run.id, model, outcome, counts),
        (notice("info", problem) if problem else "")
        + view.table(run.id, rows, title, list(predictions.models), UserLabels(predictions.table["user_id"])),
        view.pager(run.id, model, outcome, page, pages, len(chosen)),
    ]


def _titles(run: Run) -> tuple[Callable[[int], str], str]:
    """How items are called, and what to know about that; by number where the run's data are not here."""
    try:
        dataset = previews.dataset_of_run(run)
    except StudioError as error:
        return "item {}".format, f"Titles are missing: {error}."
    return lambda item: dataset.catalogue.choice(item).title, dataset.note


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
