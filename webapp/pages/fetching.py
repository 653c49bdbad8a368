"""Fetching a data set from its owners: its size is said first and agreed to; stopped or broken off, it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.data.listing import Listed, listed
from engine.errors import Cancelled, StudioError
from jobs import data_work
from jobs.data_work import DataWork
from webapp.access import Access
from webapp.events import UNQUEUED, LatestRequest, error_text
from webapp.html import tag
from webapp.layout import markup, notice, progress
from webapp.pages.run import GO
from webapp.views import data as view

FETCHING: dict[str, Any] = {"queue": True, "concurrency_id": "fetch", "concurrency_limit": 2, "show_progress": "hidden"}
"""Transfers take long and little of the machine: they keep nobody from reading data sets."""


@dataclass(frozen=True)
class Card:
    """Where one data set is fetched."""

    column: gr.Column
    part: gr.Dropdown

    @property
    def outputs(self) -> list[Any]:
        return [self.column, self.part]

    @staticmethod
    def shown(row: Listed | None, category: str, *, may: bool) -> list[Any]:
        """Values of :attr:`outputs` for a data set, ``None`` for the list of all."""
        there = row is not None and row.fetchable and (bool(row.parts) or row.state != "here")
        parts = row.parts if row else ()
        chosen = category if category in parts else row.part or None if row else None
        return [gr.Column(visible=may and there), gr.Dropdown(choices=list(parts), value=chosen, visible=bool(parts))]


def build(access: Access) -> Card:
    """Draw the card."""
    with gr.Column(visible=False, elem_classes="dr-card", elem_id="data-fetch") as card:
        markup(tag("h2", "Fetch") + tag("p", "From its owners, into the data folder. How large it is is said first."))
        with gr.Row(elem_classes="dr-fields"):
            part = gr.Dropdown(choices=[], label="Part", visible=False, elem_id="fetch-part")
            ask = gr.Button("Fetch …", size="sm", elem_id="fetch-ask")
        message = markup(elem_id="fetch-said")
        stop = gr.Button("Stop", size="sm", visible=False, elem_id="fetch-stop")
        with gr.Row(visible=False, elem_classes="dr-actions", elem_id="fetch-confirm") as confirm:
            really = gr.Button("Fetch it", variant="primary", size="sm", elem_id="fetch-really")
            keep = gr.Button("Not now", size="sm")
    destination = gr.Textbox(visible=False)
    working, offered = gr.State(LatestRequest(None)), gr.State({})

    def asked(chosen: str | None, now: LatestRequest[DataWork | None], request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield {
            message: progress("Asking how large it is …"),
            stop: gr.Button(visible=True),
            ask: gr.Button(interactive=False),
        }
        shown: dict[Any, Any] = {}
        try:
            access.require_change(request)
            row = _fetchable(request)
            work = now.now = data_work.offers(row.name, chosen if row.parts else None)
            for kind, value in work.events():
                if kind == "message":
                    yield {message: progress(value)}
                elif kind == "result":
                    offer = {"name": row.name, "category": chosen if row.parts else None, "files": value["files"]}
                    shown = {message: view.offers(value, row), offered: offer, confirm: gr.Row(visible=True)}
        except Cancelled:
            shown = {message: notice("info", "Stopped.")}
        except Exception as error:
            shown = {message: notice("bad", error_text(error)), confirm: gr.Row(visible=False)}
        yield {**shown, stop: gr.Button(visible=False), ask: gr.Button(interactive=True)}

    def fetched(
        offer: Mapping[str, Any], now: LatestRequest[DataWork | None], request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        yield {
            message: progress("Fetching …"), confirm: gr.Row(visible=False), stop: gr.Button(visible=True),
            ask: gr.Button(interactive=False), destination: "",
        }  # fmt: skip
        shown: dict[Any, Any] = {}
        try:
            access.require_change(request)
            work = now.now = data_work.fetch(offer["name"], offer["category"], offer["files"])
            for kind, value in work.events():
                if kind == "message":
                    yield {message: progress(value)}
                elif kind == "result":
                    shown = {
                        message: notice("ok", "Fetched."),
                        destination: view.address(offer["name"], offer["category"]),
                    }
        except Cancelled:
            shown = {message: notice("info", "Stopped. Fetched again, it goes on where it was.")}
        except Exception as error:
            text = f"{error_text(error)} What has come is kept: fetched again, it goes on there."
            shown = {message: notice("bad", text)}
        yield {**shown, stop: gr.Button(visible=False), ask: gr.Button(interactive=True)}

    def stopped(now: LatestRequest[DataWork | None]) -> None:
        if now.now is not None:
            now.now.stop()

    private: dict[str, Any] = {**FETCHING, "api_visibility": "private"}
    ask.click(asked, [part, working], [message, stop, ask, offered, confirm], **private)
    really.click(fetched, [offered, working], [message, stop, ask, confirm, destination], **private).then(
        fn=None, inputs=destination, js=GO
    )
    gr.on([stop.click, part.input], stopped, working, None, **UNQUEUED)
    gr.on([keep.click, part.input], lambda: (gr.Row(visible=False), ""), None, [confirm, message], **UNQUEUED)
    return Card(card, part)


def _fetchable(request: gr.Request) -> Listed:
    row = listed(str(request.query_params.get("dataset", "")))
    if not row.fetchable:
        raise StudioError(f"{row.title} cannot be fetched", where=row.name, remedy="bring its files")
    return row
