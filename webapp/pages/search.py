"""Search: the launch form as the base of a search by Optuna over what varies; what that takes, and the button."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.experiment.search import DEFAULT, METRICS, USUAL_TRIALS, Search, make_search
from engine.experiment.space import firsts, read_space
from engine.stages import STAGES
from jobs import searches
from webapp.access import Access
from webapp.events import UNQUEUED, or_notice
from webapp.form import Form
from webapp.html import Html, tag
from webapp.layout import markup, notice
from webapp.views import search as view

BRIEF = {stage.name: stage.brief for stage in STAGES}
GO = "(url) => { if (url) window.location.href = url }"
HELP = (
    "Instead of every combination, trial after trial is drawn by what validation has shown. Ranges such as"
    " finetune.lr=1e-4..1e-2 go, too; test users are not asked before you close the search."
)


def build(access: Access, form: Form, preset: gr.Radio, card: list[gr.components.Component]) -> None:
    """Draw the section; ``card``: what varies, the name and the question, template and seeds, of the card around it."""
    with gr.Accordion("Search", open=False, elem_id="vary-search"):
        markup(tag("p", HELP, class_="dr-muted"))
        choices = [(f"{BRIEF[stage]}: {name.partition('.')[2]}", name) for name, stage in METRICS.items()]
        metric = gr.Dropdown(choices, value=DEFAULT, label="Searched for, on validation users", filterable=False,
                             elem_id="search-metric")  # fmt: skip
        trials = gr.Number(USUAL_TRIALS, label="Configurations to try", precision=0, minimum=2, elem_id="search-trials")
        pruning = gr.Checkbox(True, label="Give up trials that fall behind", elem_id="search-pruning")
        with gr.Row(elem_classes="dr-actions"):
            preview = gr.Button("Preview", size="sm", elem_id="search-preview")
            start = gr.Button("Search", variant="primary", size="sm", elem_id="search-start")
        message = markup(elem_id="search-said")
    destination = gr.Textbox(visible=False)

    def search(base: str, given: tuple[Any, ...]) -> tuple[Search, str, str]:
        lines, name, question, template, seeds, by, number, prune, *shown = given
        view.refuse_other_ways(template, seeds)
        space = read_space(line for line in lines.splitlines() if line.strip())
        start = form.config(shown, firsts(space))
        made = make_search(base, start, space, metric=by, trials=int(number or 0), pruning=prune)
        return made, name.strip(), question

    @or_notice()
    def previewed(base: str, request: gr.Request, *given: Any) -> Html:
        access.require_change(request)  # the checks would tell a visitor which paths exist here
        parsed, _, _ = search(base, given)
        return view.expected(parsed, searches.forecast_search(parsed))

    @or_notice("")
    def started(base: str, request: gr.Request, *given: Any) -> tuple[Html, str]:
        access.require_change(request)
        parsed, name, question = search(base, given)
        made = searches.start(parsed, name or None, question)
        return notice("ok", "The search has begun. Opening its page …"), f"./experiment?id={made.id}"

    fields = [preset, *card, metric, trials, pruning, *form.components]
    preview.click(previewed, fields, message, **UNQUEUED)
    start.click(started, fields, [message, destination], **UNQUEUED).then(fn=None, inputs=destination, js=GO)
