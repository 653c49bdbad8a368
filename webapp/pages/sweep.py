"""Vary: what of the launch form changes from run to run of an experiment, what that takes, and the button."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.experiment.parsing import make_plan, read_grid
from engine.experiment.plan import Plan
from engine.experiment.space import firsts
from engine.experiment.templates import TEMPLATES
from engine.labels import plural
from jobs import experiments
from jobs.experiment_forecast import ASKED_FROM, forecast_experiment
from webapp.access import Access
from webapp.events import UNQUEUED, or_notice
from webapp.form import Form
from webapp.html import Html, tag
from webapp.layout import markup, notice
from webapp.pages import search
from webapp.views.experiment import expected

GO = "(url) => { if (url) window.location.href = url }"
HELP = "A setting a line with its values, e.g. distill.steps=50,100; 'Vary' beside a setting begins one."


def build(access: Access, form: Form, preset: gr.Radio) -> None:
    """Draw the card; the form's settings are the base."""
    with gr.Column(elem_classes="dr-card"):
        markup(tag("h2", "Vary") + tag("p", "Many runs as one question: every combination of what varies."))
        choices = [("none", ""), *((it.title, name) for name, it in TEMPLATES.items())]
        template = gr.Dropdown(choices, value="", label="Template", filterable=False, elem_id="vary-template")
        values = gr.Textbox(label="Its values", info="Those that the template is about, with commas.", max_lines=1,
                            elem_id="vary-values")  # fmt: skip
        vary = gr.Textbox(label="What varies", info=HELP, lines=2, elem_id="vary-settings")
        seeds = gr.Textbox(label="Seeds", placeholder="0-2", max_lines=1, elem_id="vary-seeds")
        name = gr.Textbox(label="Name of the experiment", placeholder="chosen for you", max_lines=1,
                          elem_id="vary-name")  # fmt: skip
        question = gr.Textbox(label="Question", max_lines=1, elem_id="vary-question")
        seen = gr.Checkbox(visible=False, label="I have seen how many runs this starts", elem_id="vary-seen")
        with gr.Row(elem_classes="dr-actions"):
            preview = gr.Button("Preview", size="sm", elem_id="vary-preview")
            start = gr.Button("Launch all", variant="primary", size="sm", elem_id="vary-launch")
        message = markup(elem_id="vary-said")
        search.build(access, form, preset, [vary, name, question, template, seeds])
    destination = gr.Textbox(visible=False)

    def plan(base: str, given: tuple[Any, ...]) -> Plan:
        chosen, listed, lines, seed_text, *shown = given
        text = f"{chosen}={listed}" if chosen and listed.strip() else chosen
        vary = [line for line in lines.splitlines() if line.strip()]
        return make_plan(
            base,
            form.config(shown, firsts(read_grid(vary))),
            vary=vary,
            seed_text=seed_text,
            template=text,
        )

    @or_notice(gr.skip())
    def previewed(base: str, request: gr.Request, *given: Any) -> tuple[Html, Any]:
        access.require_change(request)  # the checks would tell a visitor which paths exist here
        found = forecast_experiment(plan(base, given))
        return expected(found), gr.Checkbox(visible=found.size >= ASKED_FROM, value=False)

    @or_notice("")
    def started(base: str, called: str, asked: str, sure: bool, request: gr.Request, *given: Any) -> tuple[Html, str]:
        access.require_change(request)
        parsed = plan(base, given)
        made = experiments.start(parsed, called.strip() or None, asked, confirmed=sure)
        queued = f"{plural(parsed.size, 'run')} queued. Opening their page …"
        return notice("ok", queued), f"./experiment?id={made.id}"

    fields = [template, values, vary, seeds, *form.components]
    preview.click(previewed, [preset, *fields], [message, seen], **UNQUEUED)
    start.click(started, [preset, name, question, seen, *fields], [message, destination], **UNQUEUED).then(
        fn=None, inputs=destination, js=GO
    )
