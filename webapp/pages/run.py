"""Run: one run from queue to results, live and afterwards. The address alone says which."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.curves import POPULARITY, CurveName
from engine.errors import StudioError
from engine.evaluate import Report
from engine.evaluate.render import sections
from engine.run_folder import RunFolder
from engine.settings import make_config, to_yaml
from engine.stages import SELECTED_BY, STAGES
from jobs import api, records
from jobs.records import Curve, Run, Stage
from webapp import downloads
from webapp.access import Access
from webapp.charts import line_figure, panels
from webapp.events import UNQUEUED, PagePart, error_text, or_notice, refresh
from webapp.html import Html, link, tag
from webapp.layout import RUNS, chart_area, empty, frame, markup, notice
from webapp.pages import rename_run
from webapp.pages.breakdown import breakdown
from webapp.views import results as result_view
from webapp.views import run as view
from webapp.views.charts import chart_data
from webapp.views.yardsticks import published

LIVE_SECONDS, IDLE_SECONDS = 3.0, 10.0
"""Browser and server take each look from the processor that the training shares: not oftener than a reader needs."""
PATIENCE_SECONDS = 5.0
"""A worker that is just starting says so within."""
CHARTS = [(stage.name, stage.title, stage.unit) for stage in STAGES if stage.brief]
"""Stages with curves: name, heading, unit. Further teachers share the charts of the first."""
GO = "(url) => { if (url) window.location.href = url + (window.location.search.includes('demo=1') ? '&demo=1' : '') }"


@dataclass(frozen=True)
class RunView:
    """What one look at the database gives."""

    run: Run
    stages: list[Stage]
    position: int | None
    idle: bool
    """It waits and no worker is there."""
    read_only: bool

    @property
    def live(self) -> bool:
        return self.run.active or self.run.state == "queued"

    def progress(self, stage: str) -> tuple[Hashable, ...]:
        """Changes whenever the stage, or one of its kind (``teacher:caser``), gets further."""
        return tuple((s.name, s.step, s.state) for s in self.stages if s.name.partition(":")[0] == stage)


def build(access: Access) -> None:
    """Draw the page."""
    frame("Runs", "Run")
    parts: list[PagePart[RunView]] = []
    timer = gr.Timer(LIVE_SECONDS, active=False)  # the first look starts it
    problem = markup(elem_id="run-problem")
    with gr.Column(visible=False, elem_id="run-page") as page:
        header = markup(elem_id="run-head")
        with gr.Row(elem_classes="dr-actions"):
            cancel = gr.Button("Cancel", variant="stop", size="sm", visible=False, elem_id="cancel")
            resume = gr.Button("Resume", variant="primary", size="sm", visible=False, elem_id="resume")
            retry = gr.Button("Retry from the start", size="sm", visible=False, elem_id="retry")
            clone = gr.Button("Clone into the form", size="sm", visible=False, elem_id="clone")
            delete = gr.Button("Delete …", size="sm", visible=False, elem_id="delete")
        with gr.Row(visible=False, elem_classes="dr-actions", elem_id="confirm") as confirm:
            markup(notice("warn", "Delete this run with its files? This cannot be undone."))
            really = gr.Button("Delete for good", variant="stop", size="sm", elem_id="really-delete")
            keep = gr.Button("Keep it", size="sm")
        message = markup(elem_id="run-said")
        with gr.Column(visible=False, elem_classes="dr-card", elem_id="results") as results:
            markup(tag("h2", "Results"))
            verdicts = markup(elem_id="verdicts")
            with gr.Tabs():
                with gr.Tab("Candidates"):
                    candidates = markup(elem_id="results-candidates")
                with gr.Tab("Full catalogue"):
                    full = markup(elem_id="results-full")
                with gr.Tab("Agreement with the teacher"):
                    agreement = markup(elem_id="results-agreement")
            protocol = markup()
        parts.append(breakdown(_report, _results_key))
        with gr.Column(elem_classes="dr-card"):
            markup(tag("h2", "Stages"))
            stages = markup(elem_id="stages")
        for stage, title, unit in CHARTS:
            parts.append(_charts(stage, title, unit))
        with gr.Column(elem_classes="dr-card"), gr.Tabs():
            with gr.Tab("Log"):
                log = markup(elem_id="log", elem_classes="dr-log", autoscroll=True)
            with gr.Tab("Configuration"):
                config = gr.Code(language="yaml", interactive=False, show_label=False, max_lines=30, elem_id="config")
            with gr.Tab("Environment"):
                environment = markup(elem_id="environment")
            with gr.Tab("Files"):
                files = markup(elem_id="files")
            with gr.Tab("Name and notes"):
                save, saved = rename_run.build(access, _run_id, message)
    destination = gr.Textbox(visible=False)
    seen = gr.State({})

    buttons = [cancel, resume, retry, clone, delete, save]
    parts += [
        PagePart("head", [header], _head_key, lambda v: [view.head(v.run, v.position, v.idle)]),
        PagePart("buttons", buttons, lambda v: (v.run.state, v.read_only), _buttons),
        PagePart("stages", [stages], _stages_key, _stage_list),
        PagePart("results", [results, verdicts, candidates, full, agreement, protocol], _results_key, _results),
        PagePart("log", [log], _log_key, lambda v: [view.log(api.log_tail(v.run.id), v.run.state)]),
        PagePart("config", [config], lambda v: v.run.id, lambda v: [to_yaml(make_config(v.run.config))]),
        PagePart("environment", [environment], lambda v: _size(v, "environment.json"), _environment),
        PagePart("files", [files], lambda v: tuple(downloads.available(v.run.id)), _files),
        PagePart("pace", [timer], lambda v: v.live, _pace),
    ]
    outputs = [seen, page, problem, *(component for part in parts for component in part.components)]

    def refresh_view(last: dict[str, Any], request: gr.Request) -> list[Any]:
        try:
            state = _view(_run_id(request), access.is_read_only(request))
            fresh, values = refresh(parts, state, last)
        except Exception as error:
            missing = empty("No such run", error_text(error), link("All runs", RUNS, class_="dr-button"))
            return [{}, gr.Column(visible=False), missing, *[gr.skip()] * (len(outputs) - 3)]
        first = not last
        return [fresh, gr.Column(visible=True) if first else gr.skip(), "" if first else gr.skip(), *values]

    def act(name: str) -> Any:
        @or_notice("")
        def handler(request: gr.Request) -> tuple[Html | str, str]:
            access.require_change(request)
            return "", _act(name, _run_id(request))

        return handler

    saved.then(refresh_view, seen, outputs, **UNQUEUED)
    gr.context.Context.root_block.load(refresh_view, seen, outputs, **UNQUEUED)
    timer.tick(refresh_view, seen, outputs, **UNQUEUED)
    actions = {"cancel": cancel, "resume": resume, "retry": retry, "clone": clone, "delete": really}
    for name, button in actions.items():
        clicked = button.click(act(name), None, [message, destination], **UNQUEUED)
        clicked.then(refresh_view, seen, outputs, **UNQUEUED).then(fn=None, inputs=destination, js=GO)
    delete.click(lambda: gr.Row(visible=True), None, confirm, **UNQUEUED)
    gr.on([keep.click, really.click], lambda: gr.Row(visible=False), None, confirm, **UNQUEUED)


def _act(name: str, run_id: str) -> str:
    """Do with the run what a button says; the address to which one is led then, if any."""
    action, then = {
        "cancel": (api.cancel, ""),
        "resume": (api.resume, ""),
        "retry": (api.retry, "./run?id={}"),
        "clone": (lambda run_id: run_id, "./?clone={}"),
        "delete": (api.delete, "./runs?"),
    }[name]
    return then.format(action(run_id))


def _charts(stage: str, title: str, unit: str) -> PagePart[RunView]:
    """A card with the charts of one stage; it shows once there is something to draw."""
    with gr.Column(visible=False, elem_classes="dr-card", elem_id=f"charts-{stage}") as card:
        markup(tag("h2", title))
        data = chart_area(stage)

    def draw(state: RunView) -> Sequence[Any]:
        drawn = panels(_curves(state, stage))
        figures = [(p.heading, line_figure(p, unit=unit, key=f"{state.run.id}/{stage}/{p.title}")) for p in drawn]
        return [gr.Column(visible=bool(drawn)), chart_data(stage, figures)]

    return PagePart(f"charts {stage}", [card, data], lambda v: v.progress(stage), draw)


def _curves(state: RunView, stage: str) -> list[Curve]:
    """Curves of a stage and of those of its kind (``teacher:caser``), down-sampled for a chart."""
    names = {known.name for known in state.stages if known.name.partition(":")[0] == stage}
    return records.curves([state.run.id], stages=names) if names else []


def _run_id(request: gr.Request) -> str:
    run_id = str(dict(request.query_params).get("id", ""))
    if not run_id:
        raise StudioError("the address names no run", remedy="choose one from the list of runs")
    return run_id


def _view(run_id: str, read_only: bool) -> RunView:
    run = api.status(run_id)
    position = api.queue_position(run_id) if run.state == "queued" else None
    waited = (records.now() - run.queued_at).total_seconds()
    idle = position is not None and waited > PATIENCE_SECONDS and not api.workers(api.needs(run_id))
    return RunView(run, api.stages(run_id), position, idle, read_only)


def _head_key(state: RunView) -> Hashable:
    run = state.run
    times = (round(run.seconds or 0), run.rss_mb, run.eta_seconds) if run.active else None
    return run.state, run.name, run.note, tuple(run.tags), run.reason, state.position, state.idle, times


def _stages_key(state: RunView) -> Hashable:
    left = state.run.stage_eta_seconds
    return state.run.state, tuple(state.stages), None if left is None else round(left)


def _stage_list(state: RunView) -> Sequence[Any]:
    bases = {stage.name: stage.name.partition(":")[0] for stage in state.stages}
    names = [CurveName(name, SELECTED_BY[base], validation=True) for name, base in bases.items() if base in SELECTED_BY]
    popular = [CurveName(name, POPULARITY, validation=True) for name, base in bases.items() if base == "teacher"]
    best, popularity = records.best(state.run.id, names), records.best(state.run.id, popular)
    return [view.stage_list(state.run, state.stages, best, {name: it.value for name, it in popularity.items()})]


def _results_key(state: RunView) -> Hashable:
    return state.run.id, state.run.state == "done"


def _report(state: RunView) -> Report | None:
    return Report.model_validate(api.results(state.run.id)) if state.run.state == "done" else None


def _results(state: RunView) -> Sequence[Any]:
    report = _report(state)
    if report is None:
        return [gr.Column(visible=False), *[""] * 5]
    drawn = {section: result_view.table(report, section) for section in sections(report)}
    candidates = tag("div", drawn["candidates"], drawn.get("warm_candidates"))
    tables = [candidates, drawn["full"], drawn["agreement"]]
    return [
        gr.Column(visible=True),
        result_view.verdicts(report),
        *tables,
        tag("div", published([report]), result_view.protocol(report)),
    ]


def _log_key(state: RunView) -> Hashable:
    return state.run.state, _size(state, "log.txt")


def _size(state: RunView, name: str) -> int:
    path = state.run.folder / name
    return path.stat().st_size if path.is_file() else 0


def _environment(state: RunView) -> Sequence[Any]:
    path = state.run.folder / "environment.json"
    try:
        return [view.pairs(json.loads(RunFolder(state.run.folder).files.checked(path).read_text(encoding="utf-8")))]
    except StudioError as error:
        return [view.pairs({path.name: error.what})]
    except (OSError, ValueError):
        return [view.pairs({})]


def _files(state: RunView) -> Sequence[Any]:
    return [view.files(state.run, downloads.available(state.run.id))]


def _pace(state: RunView) -> Sequence[Any]:
    return [gr.Timer(LIVE_SECONDS if state.live else IDLE_SECONDS, active=True)]


def _buttons(state: RunView) -> Sequence[Any]:
    run, may = state.run, not state.read_only
    ended = not state.live
    return [
        gr.Button(visible=may and state.live and run.state != "cancelling"),
        gr.Button(visible=may and run.resumable),
        gr.Button(visible=may and ended),
        gr.Button(visible=may),
        gr.Button(visible=may and ended),
        gr.Button(visible=may),
    ]
