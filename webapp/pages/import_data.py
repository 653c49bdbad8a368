"""Bring your own: files are dropped, their first rows and columns shown, what cleaning takes counted, and imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from engine import datasets, encodings
from engine.config_data import ROLES
from engine.data import imported, importing
from engine.data.columns import NONE
from engine.data.guess import FORMATS
from engine.errors import Cancelled
from jobs import data_work
from jobs.data_work import DataWork
from jobs.settings import import_limits
from webapp.access import Access
from webapp.events import UNQUEUED, LatestRequest, error_text
from webapp.formatting import about, memory
from webapp.html import Html, join, tag
from webapp.layout import markup, notice, progress
from webapp.views import data as view

READ_AS = (*FORMATS, "ml-100k", "csv")
NEEDED = ("user", "item", "timestamp", "title")
LABELS = {
    "user": "User",
    "item": "Item",
    "timestamp": "Time",
    "title": "Title",
    "year": "Year",
    "genres": "Genres",
    "brand": "Brand or author",
    "aliases": "Other titles",
}
ASK_WHICH = notice("info", "The files are several data sets. Choose above which of them is meant.")
HELP = {"timestamp": "None takes the order of the rows.", "title": "None shows items by their id."}


def build(access: Access, reading: Mapping[str, Any]) -> gr.Column:
    """Draw the card; returns it, which a visitor who only looks does not see. ``reading``: how its work is queued."""
    with gr.Column(visible=False, elem_classes="dr-card", elem_id="bring") as card:
        most, seconds = import_limits()
        limits = f"{memory(most / 1e6)}, and {about(seconds).removeprefix('about ')} of reading"
        markup(
            tag("h2", "Bring your own")
            + tag("p", "Files of one data set as they were downloaded, plain or packed, or tables of your own: one of "
                  f"interactions (user, item, time) and one of items (item, title), or one with both. At most "
                  f"{limits}; larger ones by delrec data import."),
        )  # fmt: skip
        files = gr.File(label="Files", file_count="multiple", elem_id="bring-files", height=150)
        message = markup(elem_id="bring-said")
        stop = gr.Button("Stop", size="sm", visible=False, elem_id="bring-stop")
        with gr.Column(visible=False, elem_id="bring-found") as shown:
            with gr.Row(elem_classes="dr-fields"):
                form = gr.Dropdown(
                    choices=list(READ_AS),
                    label="Read as",
                    elem_id="bring-format",
                    info="Guessed by the files' names and first rows.",
                )
                category = gr.Dropdown(
                    choices=[],
                    label="Which of them",
                    visible=False,
                    elem_id="bring-category",
                    info="The files are several data sets (data.category).",
                )
                encoding = gr.Dropdown(
                    choices=list(encodings.USUAL),
                    allow_custom_value=True,
                    label="Encoding",
                    elem_id="bring-encoding",
                    info="Of the text. UTF-16 is known by its mark.",
                )
            with gr.Row(elem_classes="dr-fields", elem_id="bring-columns", visible=False) as columns:
                roles = [
                    gr.Dropdown(choices=[], label=LABELS[role], info=HELP.get(role), elem_id=f"bring-{role}")
                    for role in ROLES
                ]
            rows = markup(elem_id="bring-rows")
        cleaned = markup(elem_id="bring-cleaned")
        with gr.Row(visible=False, elem_classes="dr-fields", elem_id="bring-keep") as keeping:
            name = gr.Textbox(
                label="Name",
                max_lines=1,
                elem_id="bring-name",
                info="What data.dataset is to be: letters, digits, - . _",
            )
            keep = gr.Button("Import", variant="primary", elem_id="bring-import")
    working, guess = gr.State(LatestRequest(None)), gr.State({})
    chosen_by = [guess, category, encoding, *roles]
    outputs = [message, stop, shown, form, category, encoding, columns, *roles, rows, cleaned, keeping, name, guess]

    def inspected(
        paths: Sequence[str] | None,
        form: str | None,
        settings: Mapping[str, str] | None,
        asked: LatestRequest[DataWork | None],
        request: gr.Request,
    ) -> Iterator[dict[Any, Any]]:
        """The first rows, then what cleaning takes. ``settings`` as they are chosen; None guesses.

        What was chosen just before *Import* was pressed may be asked for when the import is under way, which has it
        already; and an import ends what is still being read. Neither draws over it.
        """
        if asked.now is not None and asked.now.imports:
            return
        if not paths:
            yield _nothing_yet()
            return
        fresh = settings is None
        work: DataWork | None = None
        try:
            access.require_change(request)
            found = [Path(path) for path in paths]
            importing.check_files(found, import_limits()[0])
            work = asked.now = data_work.inspect_files(found, form, settings)
            closed = gr.Row(visible=False)
            yield {message: progress("Looking …"), stop: gr.Button(visible=True), cleaned: "", keeping: closed}
            readable, several = True, False
            for kind, value in work.events():
                if asked.now is not work:
                    return
                if kind == "message":
                    yield {message: progress(value)}
                elif kind == "look":
                    yield _first(value, found[0].name) if fresh else {rows: view.first_rows(value["tables"])}
                    several = bool(value["categories"])
                else:
                    readable = not value.get("unreadable")
                    yield {message: "", cleaned: ASK_WHICH if several else _cleaned(value)}
            yield {stop: gr.Button(visible=False), keeping: gr.Row(visible=readable)}
        except Cancelled:
            if asked.now is work:
                yield {message: notice("info", "Stopped."), stop: gr.Button(visible=False)}
        except Exception as error:
            hidden = {shown: gr.Column(visible=False)} if fresh else {}
            yield {message: notice("bad", error_text(error)), stop: gr.Button(visible=False), **hidden}

    def _nothing_yet() -> dict[Any, Any]:
        closed = {shown: gr.Column(visible=False), keeping: gr.Row(visible=False), stop: gr.Button(visible=False)}
        return {message: "", cleaned: "", **closed}

    def _first(value: Mapping[str, Any], file: str) -> dict[Any, Any]:
        guessed = guessed_roles(value["tables"]) if value["own"] else {}
        names = list(dict.fromkeys(name for table in value["tables"] for name in table["columns"] if name))
        controls = {}
        for role, control in zip(ROLES, roles, strict=True):
            own = [("none", NONE), *((name, name) for name in names)]
            mine = guessed.get(role)
            if mine and mine not in (*names, NONE):
                own.append((mine.replace("|", " or "), mine))
            controls[control] = gr.Dropdown(choices=own, value=mine)
        return {
            shown: gr.Column(visible=True), form: value["format"], columns: gr.Row(visible=value["own"]), **controls,
            category: gr.Dropdown(choices=value["categories"], value=None, visible=bool(value["categories"])),
            encoding: value["encoding"], rows: _told(value), name: suggested(file), guess: guessed,
        }  # fmt: skip

    def dropped(paths: list[str] | None, asked: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from inspected(paths, None, None, asked, request)

    def formed(paths: list[str] | None, form: str, asked: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from inspected(paths, form, None, asked, request)

    def chose(
        paths: list[str] | None, form: str, asked: Any, request: gr.Request, *chosen: Any
    ) -> Iterator[dict[Any, Any]]:
        yield from inspected(paths, form, _settings(*chosen), asked, request)

    def kept(
        paths: list[str] | None,
        form: str,
        asked: LatestRequest[DataWork | None],
        new: str,
        request: gr.Request,
        *chosen: Any,
    ) -> Iterator[dict[Any, Any]]:
        work: DataWork | None = None
        try:
            access.require_change(request)
            found = [Path(path) for path in paths or ()]
            importing.check_files(found, import_limits()[0])
            imported.free(new := (new or "").strip())
            before, work = asked.now, data_work.bring(found, new, form, _settings(*chosen))
            asked.now = work
            if before is not None:
                before.stop()
            yield {
                message: progress("Importing …"),
                stop: gr.Button(visible=True),
                keep: gr.Button(interactive=False),
            }
            for kind, value in work.events():
                if kind == "message":
                    yield {message: progress(value)}
                elif kind == "result":
                    yield {message: view.imported(value)}
        except Cancelled:
            yield {message: notice("info", "Stopped; nothing was kept.")}
        except Exception as error:
            yield {message: notice("bad", error_text(error))}
        finally:
            asked.settle(work, None)
        yield {stop: gr.Button(visible=False), keep: gr.Button(interactive=True)}

    def stopped(asked: LatestRequest[DataWork | None]) -> None:
        if asked.now is not None:
            asked.now.stop()

    def overtaken(asked: LatestRequest[DataWork | None]) -> None:
        if asked.now is not None and not asked.now.imports:
            asked.now.stop()

    again: dict[str, Any] = {**reading, "trigger_mode": "always_last"}
    choices = [control.input for control in (category, encoding, *roles)]
    changed = [form.input, *choices, files.change]
    stop.click(stopped, working, None, **UNQUEUED)
    gr.on(changed, overtaken, working, None, **UNQUEUED)
    files.change(dropped, [files, working], outputs, **again)
    form.input(formed, [files, form, working], outputs, **again)
    gr.on(choices, chose, [files, form, working, *chosen_by], outputs, **again)
    category.input(suggested, category, name, **UNQUEUED)
    keep.click(kept, [files, form, working, name, *chosen_by], [message, stop, keep], **reading)
    return card


def guessed_roles(tables: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The column of each role, ``-`` for those that need none; where tables call it by several names, all of these."""
    logs = [table["roles"] for table in tables if {"user", "item"} <= table["roles"].keys()]
    lists = [table["roles"] for table in tables if "user" not in table["roles"] and "title" in table["roles"]]
    found: dict[str, str] = {}
    for role in ROLES:
        asked = logs if role in ("user", "timestamp") else [*logs, *lists] if role == "item" else lists or logs
        names = list(dict.fromkeys(table[role] for table in asked if role in table))
        if names:
            found[role] = "|".join(names)
        elif role not in NEEDED:
            found[role] = NONE
    return found


def suggested(file: str) -> str:
    """A name that is free, made of a file's."""
    stem = re.sub(r"\.(gz|zip|csv|tsv|tab|psv|txt|dat|jsonl?|inter|item|data)(?=\.|$)", "", file, flags=re.IGNORECASE)
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-._")[:50] or "mine"
    taken = {name.casefold() for name in datasets.names()}
    return next(name for number in range(1, 10_000) if (name := f"{stem}-{number}" if number > 1 else stem).casefold()
                not in taken)  # fmt: skip


def _settings(
    guessed: Mapping[str, str], category: str | None, encoding: str | None, *chosen: str | None
) -> dict[str, str]:
    """Settings of the section ``data`` for what was chosen; of the columns what was chosen otherwise than guessed."""
    assigned = {role: name for role, name in zip(ROLES, chosen, strict=False) if name and name != guessed.get(role)}
    settings = {"category": category, "encoding": encoding, "columns": importing.columns_of(assigned)}
    return {name: value for name, value in settings.items() if value}


def _told(value: Mapping[str, Any]) -> Html:
    """The first rows, and that their encoding is guessed where it is not the usual one."""
    text = f"The tables are not UTF-8. They are read as {value['encoding']}, as their letters suggest: choose another "\
        "encoding if these rows look wrong."  # fmt: skip
    odd = value["encoding"] != encodings.UTF8
    return join([notice("info", text) if odd else None, view.first_rows(value["tables"])])


def _cleaned(value: Mapping[str, Any]) -> Html:
    if not value.get("fault"):
        return view.figures(value["description"])
    if value["unreadable"]:
        return notice("warn", value["fault"])
    return notice("warn", f"With the default settings nothing is left: {value['fault']}")
