"""Machines: the workers, what each of them has, and what it does."""

from __future__ import annotations

import gradio as gr

from jobs import api
from webapp.access import Access
from webapp.events import UNQUEUED
from webapp.html import Html, tag
from webapp.layout import frame, markup
from webapp.views import machines as view

POLL_SECONDS = 5.0


def build(_: Access) -> None:
    """Draw the page."""
    frame("Machines", "Machines")
    markup(
        tag("h1", "Machines", class_="dr-title")
        + tag("p", "Workers take up runs and answer questions: one beside the app, others wherever delrec worker was "
              "started with the same database, queue and data folder.", class_="dr-lead"),
    )  # fmt: skip
    with gr.Column(elem_classes="dr-card"):
        table = markup(elem_id="machines")
    gr.context.Context.root_block.load(_draw, None, table, **UNQUEUED)
    gr.Timer(POLL_SECONDS).tick(_draw, None, table, **UNQUEUED)


def _draw() -> Html:
    workers = api.workers()
    names = {run.id: run.name for run in api.runs(limit=200) if run.active}
    return view.table(workers, names)
