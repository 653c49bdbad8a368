"""What a run is called, its tags and note: fields that only their reader and the page's opening fill, never a tick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.events import Dependency

from engine.errors import StudioError
from jobs import api
from jobs.records import Run
from webapp.access import Access
from webapp.events import UNQUEUED, error_text
from webapp.layout import notice


def build(access: Access, run_id: Callable[[gr.Request], str], message: gr.HTML) -> tuple[gr.Button, Dependency]:
    """Draw the fields; returns the button, which a visitor who only looks does not see, and what happens on it.

    Args:
        run_id: the run that the address names.
        message: where it is told what came of saving.
    """
    with gr.Row(elem_classes="dr-fields"):
        name = gr.Textbox(label="Name", max_lines=1, elem_id="edit-name")
        tags = gr.Textbox(label="Tags", info="Comma between tags.", max_lines=1, elem_id="edit-tags")
    note = gr.Textbox(label="Note", lines=3, elem_id="edit-note")
    save = gr.Button("Save", size="sm", elem_id="save-notes")
    filled: Any = gr.State(None)  # what the fields were filled with
    fields = [name, tags, note]

    def fill(request: gr.Request) -> list[Any]:
        try:
            values = _values(api.status(run_id(request)))
        except StudioError:  # the page says what is wrong with its address
            return [gr.skip()] * (1 + len(fields))
        return [values, *values]

    def saved(before: list[str] | None, new_name: str, new_tags: str, new_note: str, request: gr.Request) -> list[Any]:
        """Stores what was changed here and no more: somebody else may have changed the rest meanwhile."""
        old_name, old_tags, old_note = before or (None, None, None)
        try:
            access.require_change(request)
            run = run_id(request)
            if new_name != old_name:
                api.rename(run, new_name)
            tags = None if new_tags == old_tags else new_tags.split(",")
            api.annotate(run, tags=tags, note=None if new_note == old_note else new_note)
            values = _values(api.status(run))
        except Exception as error:
            return [notice("bad", error_text(error)), *[gr.skip()] * (1 + len(fields))]
        return [notice("ok", "Saved."), values, *values]

    gr.context.Context.root_block.load(fill, None, [filled, *fields], **UNQUEUED)
    return save, save.click(saved, [filled, *fields], [message, filled, *fields], **UNQUEUED)


def _values(run: Run) -> list[str]:
    return [run.name, ", ".join(run.tags), run.note]
