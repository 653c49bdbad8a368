"""Runs: the table of all runs, searchable, kept up to date; runs of elsewhere are imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from engine.labels import plural
from jobs import api, records, storage
from jobs.records import ACTIVE, RESUMABLE, RunState
from webapp.access import Access
from webapp.events import OPENED, UNQUEUED, error_text, or_notice
from webapp.formatting import memory
from webapp.html import Html, tag
from webapp.layout import frame, markup, notice
from webapp.pages import selected_runs
from webapp.views import runs as view
from webapp.views.run import NO_WORKER

SECONDS = 2.0
MOST = 500
FILTERS: dict[str, tuple[RunState, ...]] = {
    "all": (),
    "waiting": ("queued",),
    "under way": ACTIVE,
    "done": ("done",),
    "stopped": RESUMABLE,
}
KEEP_IN_ADDRESS = """(text, state) => {
  delrecAddress({ q: text, state: state === "all" ? "" : state });
  return [text, state];
}"""
GO = "(url) => { if (url) window.location.href = url }"


def build(access: Access) -> None:
    """Draw the page."""
    frame("Runs", "Runs")
    markup(tag("h1", "Runs", class_="dr-title"))
    with gr.Row(elem_classes="dr-finder dr-opens"):
        search = gr.Textbox(
            show_label=False,
            placeholder="Search by name, teacher, model, preset, tag, note …",
            max_lines=1,
            elem_id="search",
            container=False,
            scale=1,
            min_width=280,
        )
        state = gr.Radio(
            [(name.capitalize(), name) for name in FILTERS],
            value="all",
            show_label=False,
            label="State",
            elem_id="state-filter",
            container=False,
            scale=1,
            min_width=300,
        )
    warning = markup(elem_id="runs-warning")
    with gr.Column(elem_classes="dr-card"):
        actions = selected_runs.build(access)
        table = markup(elem_id="runs")
    with gr.Row(elem_classes="dr-actions"):
        upload = gr.UploadButton("Import an archive …", file_types=[".zip"], size="sm", elem_id="import")
        taken = markup(elem_id="runs-taken")
    message = markup(elem_id="import-said")
    destination = gr.Textbox(visible=False)
    seen = gr.State("")
    timer = gr.Timer(SECONDS)

    def opened(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        state_filter = query.get("state", "all") if query.get("state") in FILTERS else "all"
        may = not access.is_read_only(request)
        shown = [gr.UploadButton(visible=may), gr.Row(visible=may)]
        named = [query.get("q", gr.skip()), state_filter if "state" in query else gr.skip()]
        return [*named, *shown, *_draw(query.get("q", ""), state_filter)]

    def ticked(text: str, state_filter: str, last: str) -> list[Any]:
        html, noted, fingerprint = _draw(text or "", state_filter)
        return [gr.skip(), gr.skip(), fingerprint] if fingerprint == last else [html, noted, fingerprint]

    @or_notice("")
    def imported(file: str, request: gr.Request) -> tuple[Html, str]:
        access.require_change(request)
        run_id = api.import_run(Path(file))
        return notice("ok", "Imported. Opening its page …"), f"./run?id={run_id}"

    blocks = gr.context.Context.root_block
    drawn = [search, state, upload, actions, table, warning, seen]
    blocks.load(opened, None, drawn, **UNQUEUED).then(fn=None, js=OPENED).then(_taken, None, taken, **UNQUEUED)
    timer.tick(ticked, [search, state, seen], [table, warning, seen], **UNQUEUED)
    filters = [search.input, state.input]
    gr.on(filters, ticked, [search, state, seen], [table, warning, seen], trigger_mode="always_last", **UNQUEUED)
    gr.on(filters, fn=None, inputs=[search, state], js=KEEP_IN_ADDRESS)
    upload.upload(imported, upload, [message, destination], **UNQUEUED).then(fn=None, inputs=destination, js=GO)


def _taken() -> Html:
    """What runs and shared results take on the disk."""
    found = storage.taken()
    shared = f"{plural(found.results, 'shared result')} {memory(found.shared / 1e6)}"
    return tag("p", f"On the disk: runs {memory(found.runs / 1e6)}, {shared}.", class_="dr-muted")


def _draw(text: str, state_filter: str) -> tuple[Html, Html, str]:
    """The table, the warning above it, and what both are recognised by."""
    try:
        runs = api.runs(text, states=FILTERS.get(state_filter, ()), limit=MOST)
        places = api.queue_places()
        noted = notice("warn", NO_WORKER) if places and not api.workers() else Html()
    except Exception as error:
        html = notice("bad", error_text(error))
        return html, Html(), html
    figures = records.headline([run.id for run in runs if run.state == "done"])
    narrowed = text.strip() or (state_filter if state_filter != "all" else "")
    html = view.run_table(runs, figures, places) if runs else view.no_runs(narrowed)
    return html, noted, html + noted
