"""What can be done with the runs that are ticked in the table: edit, export, delete. The page's script knows which."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.errors import StudioError
from engine.labels import plural
from jobs import api, experiments
from jobs.records import Run
from webapp.access import Access
from webapp.events import UNQUEUED, error_text
from webapp.html import Html, link, tag
from webapp.layout import markup, notice

PICKED = "() => delrecPicked()"
MOST_NAMED = 5


def build(access: Access) -> gr.Row:
    """Draw the actions and what they open; returns their row, which a visitor who only looks does not see."""
    with gr.Row(elem_classes="dr-actions"):
        markup(link("Tick runs to compare or change them", "./compare", class_="dr-compare dr-off", data_compare=True))
        with gr.Row(elem_classes="dr-actions", elem_id="picked", visible=False) as actions:
            edit = gr.Button("Rename, tag, note …", size="sm", elem_id="edit-picked")
            export = gr.Button("Export", size="sm", elem_id="export-picked")
            delete = gr.Button("Delete …", size="sm", elem_id="delete-picked")
    with gr.Column(visible=False, elem_classes="dr-inset", elem_id="picked-form") as form:
        about = markup()
        with gr.Row(elem_classes="dr-fields"):
            name = gr.Textbox(label="Name", max_lines=1, elem_id="picked-name")
            tags = gr.Textbox(label="Tags", info="Comma between tags.", max_lines=1, elem_id="picked-tags")
        note = gr.Textbox(label="Note", lines=2, elem_id="picked-note")
        group = gr.Textbox(label="Put into the experiment", info="Its name; one is made if there is none so called.",
                           max_lines=1, elem_id="picked-experiment")  # fmt: skip
        with gr.Row(elem_classes="dr-actions"):
            save = gr.Button("Save", variant="primary", size="sm", elem_id="save-picked")
            leave = gr.Button("Leave it", size="sm")
    with gr.Row(visible=False, elem_classes="dr-actions", elem_id="picked-confirm") as confirm:
        question = markup()
        really = gr.Button("Delete for good", variant="stop", size="sm", elem_id="really-delete-picked")
        keep = gr.Button("Keep", size="sm")
    message = markup(elem_id="picked-said")
    ids, chosen = gr.Textbox(visible=False), gr.Textbox(visible=False)  # the page knows them: a server may forget
    opened = [chosen, form, about, name, tags, note, group, confirm, question, message]

    def show_form(picked: str) -> list[Any]:
        try:
            runs = _runs(picked)
        except Exception as error:
            return _closed(notice("bad", error_text(error)))
        one = runs[0] if len(runs) == 1 else None
        head = tag("h2", f"Edit {one.name}" if one else f"Add tags to {plural(len(runs), 'run')}")
        return [
            picked, gr.Column(visible=True), head,
            gr.Textbox(value=one.name if one else "", visible=one is not None),
            gr.Textbox(value=", ".join(one.tags) if one else ""),
            gr.Textbox(value=one.note if one else "", visible=one is not None),
            "", gr.Row(visible=False), "", "",
        ]  # fmt: skip

    def saved(picked: str, new_name: str, new_tags: str, new_note: str, into: str, request: gr.Request) -> list[Any]:
        try:
            access.require_change(request)
            run_ids, given = _ids(picked), new_tags.split(",")
            if len(run_ids) == 1:
                api.rename(run_ids[0], new_name)
                api.annotate(run_ids[0], tags=given, note=new_note)
            else:
                for run_id in run_ids:
                    api.annotate(run_id, tags=[*api.status(run_id).tags, *given])
            if into.strip():
                experiments.add_or_gather(into.strip(), run_ids)
        except Exception as error:
            return [gr.skip()] * (len(opened) - 1) + [notice("bad", error_text(error))]
        return _closed(notice("ok", "Saved."))

    def ask(picked: str) -> list[Any]:
        try:
            runs = _runs(picked)
        except Exception as error:
            return _closed(notice("bad", error_text(error)))
        closed = _closed("")
        closed[0] = picked
        closed[-3:] = [gr.Row(visible=True), notice("warn", _question(runs)), ""]
        return closed

    def deleted(picked: str, request: gr.Request) -> list[Any]:
        done = 0
        try:
            access.require_change(request)
            for run_id in _ids(picked):
                api.delete(run_id)
                done += 1
        except Exception as error:
            before = f"{plural(done, 'run')} deleted; then: " if done else ""
            return _closed(notice("bad", before + error_text(error)))
        return _closed(notice("ok", f"{plural(done, 'run')} deleted."))

    edit.click(show_form, ids, opened, js=PICKED, **UNQUEUED)
    save.click(saved, [chosen, name, tags, note, group], opened, **UNQUEUED)
    export.click(fn=None, js="() => delrecExport()")
    delete.click(ask, ids, opened, js=PICKED, **UNQUEUED)
    really.click(deleted, chosen, opened, **UNQUEUED).then(fn=None, js="() => delrecUnpick()")
    gr.on([leave.click, keep.click], lambda: _closed(""), None, opened, **UNQUEUED)
    return actions


def _ids(picked: str) -> list[str]:
    ids = [run_id for run_id in picked.split(",") if run_id]
    if not ids:
        raise StudioError("no run is ticked", remedy="tick one or more in the table")
    return ids


def _runs(picked: str) -> list[Run]:
    return [api.status(run_id) for run_id in _ids(picked)]


def _closed(message: Html | str) -> list[Any]:
    """Nothing is open; in the order of the outputs."""
    return ["", gr.Column(visible=False), "", "", "", "", "", gr.Row(visible=False), "", message]


def _question(runs: list[Run]) -> Html:
    named = ", ".join(run.name for run in runs[:MOST_NAMED])
    more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
    return Html(tag("span", f"Delete {named}{more} with all files? This cannot be undone."))
