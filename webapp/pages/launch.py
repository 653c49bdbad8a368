"""Launch: a form generated from the configuration, its YAML and shell command, checks, and the button."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import gradio as gr

from engine.config import RunConfig
from engine.errors import StudioError
from engine.presets import PRESETS
from engine.settings import changes, command_line, load_config, make_config, overrides, preset_help, to_yaml
from jobs import api
from jobs.forecast import forecast
from jobs.preflight import preflight, refuse_problems
from webapp.access import Access
from webapp.events import OPENED, UNQUEUED, or_notice
from webapp.form import SECTIONS, Form
from webapp.formatting import setting_value
from webapp.html import Html, tag
from webapp.layout import frame, markup, notice
from webapp.pages import preview, sweep
from webapp.views import launch as view

FIRST = "quickstart"
WRITTEN = "You wrote here, so this text stays and does not follow the form; put it into the form, or choose a preset."
KEEP_IN_ADDRESS = "(query) => delrecLaunch(query)"
GO = "(url) => { if (url) window.location.href = url + (window.location.search.includes('demo=1') ? '&demo=1' : '') }"


def build(access: Access) -> None:
    """Draw the page."""
    frame("Launch", "Launch")
    markup(
        tag("h1", "Launch a run", class_="dr-title")
        + tag(
            "p",
            "A teacher learns from interactions, its pattern is distilled into a language model, the model is "
            "fine-tuned, and everything is measured on the same users.",
            class_="dr-lead",
        )
    )
    start = load_config(FIRST)
    form = Form(start)
    first_summary, first_command, first_yaml, *_ = _derive(start, FIRST)
    with gr.Row(elem_classes="dr-layout"):
        with gr.Column(scale=7, min_width=320, elem_classes="dr-opens"), gr.Tabs(elem_id="launch-tabs") as tabs:
            with gr.Tab("Settings", id="settings"):
                preset, about, name = _settings(form)
            preview.build_data(access, form.components, form.config)
            preview.build_prompts(access, form.components, form.config)
        with gr.Column(scale=4, min_width=300, elem_classes="dr-side"):
            with gr.Column(elem_classes="dr-card"):
                markup(tag("h2", "This run"))
                summary = markup(first_summary, elem_id="launch-summary")
                estimate = markup(elem_id="launch-estimate")
                checks = markup(elem_id="launch-checks")
                launch = gr.Button("Launch", variant="primary", size="lg", elem_id="launch")
                problem = markup(elem_id="launch-problem")
                command = markup(first_command, elem_id="launch-command")
            sweep.build(access, form, preset)
            with gr.Column(elem_classes="dr-card dr-opens"):
                markup(
                    tag("h2", "YAML") + tag("p", "The whole configuration. Edit or paste, then put it into the form.")
                )
                yaml = gr.Code(
                    first_yaml,
                    language="yaml",
                    lines=8,
                    max_lines=22,
                    show_label=False,
                    elem_id="yaml",
                    interactive=True,
                )
                apply = gr.Button("Put into the form", size="sm", elem_id="apply-yaml")
                yaml_problem = markup(elem_id="yaml-problem")
    destination, address = gr.Textbox(visible=False), gr.Textbox(visible=False)
    derived_yaml = gr.Textbox(first_yaml, visible=False)  # other than this, somebody is writing in the editor

    derived = [summary, command, yaml, derived_yaml, address, estimate, checks, launch]
    filled = [*form.components, *derived, problem, yaml_problem]

    def fill(config: RunConfig, base: str) -> list[Any]:
        text_of_forecast, line, text, query = _derive(config, base)
        shown = [text_of_forecast, line, text, text, query, *_expected(config)]
        return [*form.filled(config), *shown, gr.Button(interactive=True), "", ""]

    def opened(request: gr.Request) -> list[Any]:
        """The form stands already; what the address names is filled in, and a visitor who only looks is told."""
        untouched = [*[gr.skip()] * 2, *form.emptied(), *[gr.skip()] * 5]
        locked = access.is_read_only(request)
        text = notice("info", "Read-only view: runs cannot be launched here.") if locked else ""
        button = gr.Button(interactive=not locked)
        try:
            named = _named(request)
            if named is None:
                return [*untouched, *_expected(start), button, text, ""]
            base, config = named
            return [base, _about(base), *fill(config, base)[:-3], button, text, ""]
        except StudioError as error:
            return [*untouched, "", "", button, notice("bad", str(error)), ""]

    def shown_tab(request: gr.Request) -> Any:
        view = dict(request.query_params).get("view")
        return gr.Tabs(selected=view) if view in ("data", "prompts") else gr.skip()

    def chosen(base: str) -> list[Any]:
        return [_about(base), *fill(load_config(base), base)]

    def edited(base: str, text: str, stood: str, request: gr.Request, *values: Any) -> list[Any]:
        kept = [gr.skip()] * 2
        try:
            config = form.config(values)
        except StudioError as error:
            message = notice("bad", str(error))
            return [message, "", *kept, gr.skip(), "", "", gr.Button(interactive=False), "", gr.skip()]
        forecast_text, line, fresh, query = _derive(config, base)
        written = text.strip() != stood.strip()
        shown = [forecast_text, line, *(kept if written else [fresh, fresh]), query]
        message = notice("info", WRITTEN) if written else Html()
        if access.is_read_only(request):  # the checks would tell a visitor which paths exist here
            return [*shown, "", "", gr.Button(interactive=False), "", message]
        return [*shown, *_expected(config), gr.Button(interactive=True), "", message]

    def applied(text: str, base: str) -> list[Any]:
        try:
            return fill(load_config(text=text), base)
        except StudioError as error:
            return [gr.skip()] * (len(filled) - 1) + [notice("bad", str(error))]

    @or_notice("")
    def launched(base: str, chosen_name: str, request: gr.Request, *values: Any) -> tuple[str, Any]:
        access.require_change(request)
        config = form.config(values)
        refuse_problems(config, forecast(config))
        run_id = api.launch(config, base, chosen_name.strip() or None)
        position = api.queue_position(run_id)
        text = f"Queued as #{position}." if position else "Taken up by the worker."
        return notice("ok", text, " Opening its page …"), f"./run?id={run_id}"

    blocks = gr.context.Context.root_block
    filling = blocks.load(opened, None, [preset, about, *filled], **UNQUEUED)
    filling.then(fn=None, js=OPENED)
    filling.then(shown_tab, None, tabs, **UNQUEUED)
    keep: dict[str, Any] = {"fn": None, "inputs": address, "js": KEEP_IN_ADDRESS}
    preset.input(chosen, preset, [about, *filled], **UNQUEUED).then(**keep)
    gr.on(
        [component.input for component in form.components],
        edited,
        [preset, yaml, derived_yaml, *form.components],
        [*derived, problem, yaml_problem],
        trigger_mode="always_last",
        **UNQUEUED,
    ).then(**keep)
    apply.click(applied, [yaml, preset], filled, **UNQUEUED).then(**keep)
    launch.click(launched, [preset, name, *form.components], [problem, destination], **UNQUEUED).then(
        fn=None, inputs=destination, js=GO
    )


def _named(request: gr.Request) -> tuple[str, RunConfig] | None:
    """Preset and configuration that the address names: a run to clone, or a preset with changes; None without.

    Raises:
        StudioError: no such run or preset, or a setting that is not usable.
    """
    query = request.query_params
    if query.get("clone"):
        run = api.status(query["clone"])
        return (run.preset if run.preset in PRESETS else FIRST), make_config(run.config)
    changed = query.getlist("set")
    if not query.get("preset") and not changed:
        return None
    base = query.get("preset") or FIRST
    return base, load_config(base, overrides=changed)


def _settings(form: Form) -> tuple[gr.Radio, gr.HTML, gr.Textbox]:
    """The form: preset, its explanation, name, and a card for each section."""
    with gr.Column(elem_classes="dr-card"):
        preset = gr.Radio(
            [(name.capitalize(), name) for name in PRESETS], value=FIRST, label="Start from", elem_id="preset"
        )
        about = markup(_about(FIRST))
        with gr.Row(elem_classes="dr-fields"):
            name = gr.Textbox(
                label="Name of the run", placeholder="chosen for you", max_lines=1, elem_id="run-name",
                info="Names are unique; they can be changed later.",
            )  # fmt: skip
            form.place("", advanced=False)
    for section, (title, text) in SECTIONS.items():
        with gr.Column(elem_classes="dr-card", elem_id=f"section-{section}"):
            markup(tag("h2", title) + tag("p", text))
            with gr.Row(elem_classes="dr-fields"):
                form.place(section, advanced=False)
            if form.has_advanced(section):
                with gr.Accordion("More settings", open=False), gr.Row(elem_classes="dr-fields"):
                    form.place(section, advanced=True)
    return preset, about, name


def _about(preset: str) -> Html:
    return tag("p", preset_help(preset), class_="dr-lead")


def _derive(config: RunConfig, base: str) -> tuple[Html, Html, str, str]:
    """Summary, command, YAML and the address's query of a sound configuration."""
    changed = changes(config, load_config(base))
    chips = [
        tag("span", f"{name} ", tag("b", setting_value(value)), class_="dr-chip") for name, value in changed.items()
    ]
    message = (
        tag("p", f"Changed from {base}", class_="dr-label") + tag("div", chips, class_="dr-chips")
        if chips
        else tag("p", f"The {base} preset as it stands.", class_="dr-muted")
    )
    line = tag(
        "div",
        tag("p", "The same in the shell", class_="dr-label"),
        tag(
            "div",
            tag("code", command_line(config, base)),
            tag("button", "Copy", type="button", data_copy=True),
            class_="dr-command",
        ),
    )
    named = [("preset", base)] if base != FIRST or changed else []
    query = urlencode([*named, *(("set", override) for override in overrides(changed))])
    return Html(message), line, to_yaml(config), query


def _expected(config: RunConfig) -> tuple[Html, Html]:
    """Duration and memory by what was measured here, and what would get in the way."""
    expected = forecast(config)
    return view.estimate(expected), view.checks(preflight(config, expected))
