"""Data: every data set with its figures; those that people bring are imported, renamed and deleted here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from engine import datasets
from engine.config import DataConfig
from engine.data import Statistics
from engine.data.listing import Listed, listed, listing
from engine.errors import Cancelled, StudioError
from jobs import api, data_work
from jobs.records import Run
from webapp.access import Access
from webapp.data_charts import length_figure, popularity_figure, rarity_figure
from webapp.data_descriptions import DescriptionDict, describe
from webapp.events import OPENED, UNQUEUED, error_text, or_notice
from webapp.html import Html, link, tag
from webapp.layout import chart_area, empty, frame, markup, notice, progress
from webapp.pages import fetching, import_data
from webapp.pages.run import GO
from webapp.views import data as view
from webapp.views.charts import chart_data

LEAD = "What runs learn from. Yours can be imported below, in any of these formats or as tables of your own."
READING: dict[str, Any] = {
    "queue": True,
    "concurrency_id": "data",
    "concurrency_limit": 2,
    "show_progress": "hidden",
    "api_visibility": "private",
}
"""Reading data sets takes seconds, in processes of their own: two at a time, beside everything else."""


def build(access: Access) -> None:
    """Draw the page."""
    frame("Data", "Data")
    head = markup(elem_id="data-head")
    with gr.Column(visible=False, elem_id="data-all") as every:
        with gr.Column(elem_classes="dr-card"):
            table = markup(elem_id="data-sets")
        own = import_data.build(access, READING)
    with gr.Column(visible=False, elem_classes="dr-card", elem_id="data-one") as one:
        message = markup(elem_id="data-said")
        figures = markup(elem_id="data-figures")
        charts = chart_area("data-set", elem_id="data-charts")
    card = fetching.build(access)
    with gr.Column(visible=False, elem_classes="dr-card", elem_id="data-change") as change:
        markup(tag("h2", "Rename or delete"))
        with gr.Row(elem_classes="dr-fields"):
            name = gr.Textbox(
                label="Name", max_lines=1, elem_id="data-name", info="Runs made on it find it under the one they know."
            )
        with gr.Row(elem_classes="dr-actions"):
            rename = gr.Button("Rename", size="sm", elem_id="rename-data")
            delete = gr.Button("Delete …", size="sm", elem_id="delete-data")
        with gr.Row(visible=False, elem_classes="dr-actions", elem_id="data-confirm") as confirm:
            question = markup()
            really = gr.Button("Delete for good", variant="stop", size="sm", elem_id="really-delete-data")
            keep = gr.Button("Keep it", size="sm")
        changed = markup(elem_id="data-changed")
    destination = gr.Textbox(visible=False)

    def opened(request: gr.Request) -> list[Any]:
        """What stands at once; the figures come by :func:`measured`."""
        may = not access.is_read_only(request)
        shown = [gr.Column(visible=False)] * 3
        try:
            row, run = _named(request)
        except Exception as error:
            nothing = empty("No such data set", error_text(error), link("All data sets", "./data", class_="dr-button"))
            return [nothing, *shown, "", gr.Column(visible=may), gr.skip(), *card.shown(None, "", may=False)]
        category = _part(request)
        fetch = card.shown(row, category, may=may)
        if run is not None:
            seen = [shown[0], gr.Column(visible=True), shown[2]]
            return [view.head_of_run(run), *seen, "", gr.skip(), gr.skip(), *fetch]
        if row is not None:
            made = data_work.used_by(row.name)
            there = row.state in ("here", "built in")
            parts = [gr.Column(visible=False), gr.Column(visible=there), gr.Column(visible=may and row.imported)]
            return [view.head(row, made, category), *parts, "", gr.skip(), row.name, *fetch]
        title = tag("h1", "Data sets", class_="dr-title") + tag("p", LEAD, class_="dr-lead")
        seen = [gr.Column(visible=True), *shown[:2]]
        return [Html(title), *seen, view.listing(listing()), gr.Column(visible=may), "", *fetch]

    def measured(request: gr.Request) -> Iterator[list[Any]]:
        try:
            row, run = _named(request)
            if run is None and (row is None or row.state not in ("here", "built in")):
                return
            config = DataConfig(dataset=row.name, category=_part(request) or None) if row else DataConfig()
            for update in describe(config, run):
                if isinstance(update, str):
                    yield [progress(update), gr.skip(), gr.skip()]
                else:
                    yield ["", *_drawn(update)]
        except Cancelled:
            return
        except Exception as error:
            yield [notice("bad", error_text(error)), "", chart_data("data-set", [])]

    @or_notice("")
    def renamed(new: str, request: gr.Request) -> tuple[Html | str, str]:
        access.require_change(request)
        new = (new or "").strip()
        data_work.rename(_own(request), new)
        return "", view.address(new)

    def ask(request: gr.Request) -> list[Any]:
        try:
            access.require_change(request)
            mine = _own(request)
            return [gr.Row(visible=True), view.question(mine, data_work.used_by(mine)), ""]
        except Exception as error:
            return [gr.Row(visible=False), "", notice("bad", error_text(error))]

    @or_notice("")
    def deleted(request: gr.Request) -> tuple[Html | str, str]:
        access.require_change(request)
        data_work.delete(_own(request))
        return "", "./data?"

    outputs = [head, every, one, change, table, own, name, *card.outputs]
    filling = gr.context.Context.root_block.load(opened, None, outputs, **UNQUEUED)
    filling.then(fn=None, js=OPENED)
    filling.then(measured, None, [message, figures, charts], **READING)
    rename.click(renamed, name, [changed, destination], **UNQUEUED).then(fn=None, inputs=destination, js=GO)
    delete.click(ask, None, [confirm, question, changed], **UNQUEUED)
    really.click(deleted, None, [changed, destination], **UNQUEUED).then(fn=None, inputs=destination, js=GO)
    gr.on([keep.click, really.click], lambda: gr.Row(visible=False), None, confirm, **UNQUEUED)


def _named(request: gr.Request) -> tuple[Listed | None, Run | None]:
    """The data set or the run that the address names; neither for all data sets.

    Raises:
        StudioError: there is none of this name.
    """
    query = request.query_params
    if query.get("run"):
        return None, api.status(query["run"])
    return (listed(query["dataset"]) if query.get("dataset") else None), None


def _part(request: gr.Request) -> str:
    """The part of it that the address names."""
    return str(request.query_params.get("category", ""))


def _own(request: gr.Request) -> str:
    name = str(request.query_params.get("dataset", ""))
    if name not in datasets.imported():
        raise StudioError(f"there is no imported data set {name!r}", remedy="only those can be renamed or deleted")
    return name


def _drawn(found: DescriptionDict) -> list[Any]:
    description, counted = found["description"], Statistics(**found["statistics"])
    key = f"{description['name']}/{description['fingerprint']}"
    drawn = [
        ("Users by number of interactions", length_figure(counted, key)),
        ("Items by popularity", popularity_figure(counted, key)),
        ("Users by how rare their last item is", rarity_figure(description["rarity"], key)),
    ]
    return [view.figures(description, found["note"]), chart_data("data-set", drawn)]
