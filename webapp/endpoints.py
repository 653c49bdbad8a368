"""The machine interface: the app's actions as typed endpoints for ``gradio_client`` (and as MCP tools, if switched on).

Everything else that the pages call is private. The docstrings are the documentation: the page *API* and the tools of
MCP show them, and ``docs/api.md`` is checked against them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from engine.data.references import checked_titles
from engine.errors import StudioError
from engine.experiment.files import plan_from_yaml, search_from_yaml
from engine.experiment.parsing import make_plan, read_grid
from engine.experiment.search import DEFAULT, USUAL_TRIALS, make_search
from engine.experiment.space import firsts, read_space
from engine.explain.report import ExplanationReport, check_parts
from engine.settings import load_config
from jobs import api, experiments, searches
from jobs.experiment_forecast import forecast_experiment
from jobs.forecast import forecast
from jobs.preflight import refuse_problems
from jobs.records import Run
from webapp.access import Access
from webapp.answering import Answering
from webapp.data_endpoints import DataEndpoints
from webapp.events import error_text
from webapp.experiment_actions import ACTIONS, about, alone, as_dict
from webapp.inspect.question import RATHER, REASONS, Question

MOST_RUNS, MOST_POINTS = 500, 10_000
USUAL = "quickstart"
HIDDEN = frozenset({"host", "boot", "worker_pid", "worker_started", "pid", "pid_started", "heartbeat"})
"""What programs do not learn of a run: who works on it."""


class Endpoints(DataEndpoints):
    """The public endpoints, one method each. Those that change something refuse a visitor who only looks."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._answering = Answering()

    def launch(
        self, request: gr.Request, preset: str = USUAL, settings: list[str] | None = None, name: str = ""
    ) -> dict[str, Any]:
        """Queue a run and return it as `status` does.

        Args:
            preset: smoke, quickstart, full, sparse, published or paper.
            settings: changes such as "distill.steps=50"; `delrec settings` lists them all.
            name: a unique name; chosen for you if empty.
        """
        self.access.require_change(request)
        config = load_config(preset, overrides=settings or ())
        refuse_problems(config, forecast(config))
        return _told(api.status(api.launch(config, preset, name.strip() or None)))

    def runs(self, text: str = "", limit: int = 50) -> list[dict[str, Any]]:
        """The latest runs, newest first, each as `status` returns it.

        Args:
            text: looked for in id, name, preset, state, tags and note; empty finds all.
            limit: the most runs returned, at most 500.
        """
        return [_told(run) for run in api.runs(text, limit=_within(limit, MOST_RUNS))]

    def status(self, run: str) -> dict[str, Any]:
        """How a run stands: state, place in the queue, stage, step of total, seconds left, memory, error and remedy.

        Args:
            run: id or name.
        """
        return _told(api.status(run))

    def metrics(self, run: str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Points of the training curves in the order in which they came: id, stage, name, step and value.

        Args:
            run: id or name.
            after: the largest point id seen before; only newer points are returned.
            limit: the most points returned, at most 10000.
        """
        return [asdict(point) for point in api.metrics(run, max(0, after), _within(limit, MOST_POINTS))]

    def results(self, run: str) -> dict[str, Any]:
        """The whole report of a finished run: the object of its metrics.json.

        Args:
            run: id or name.
        """
        return api.results(run)

    def cancel(self, request: gr.Request, run: str) -> dict[str, Any]:
        """Stop a run; it keeps a checkpoint. Returns it as `status` does.

        Args:
            run: id or name.
        """
        self.access.require_change(request)
        api.cancel(run)
        return _told(api.status(run))

    def resume(self, request: gr.Request, run: str) -> dict[str, Any]:
        """Queue a failed, cancelled or interrupted run again, from its last checkpoint. Returns it as `status` does.

        Args:
            run: id or name.
        """
        self.access.require_change(request)
        return _told(api.status(api.resume(run)))

    def experiment(
        self,
        request: gr.Request,
        preset: str = USUAL,
        settings: list[str] | None = None,
        vary: list[str] | None = None,
        seeds: str = "",
        template: str = "",
        name: str = "",
        dry_run: bool = False,
        plan: str = "",
        confirmed: bool = False,
    ) -> dict[str, Any]:
        """Queue every combination of what varies. Returns it as `lead_experiment` does, or what it would take.

        Args:
            preset: smoke, quickstart, full, sparse or paper.
            settings: changes of the base such as "distill.steps=50".
            vary: lists of values such as "teacher.name=sasrec,gru4rec".
            seeds: such as "0-2" or "0,3,7"; empty for the base's.
            template: seeds, ablations, teachers, backbones or numbers, with values as in "teachers=sasrec,caser".
            name: a unique name; chosen for you if empty.
            dry_run: only say how many runs it has, how long they take in seconds and what is in the way.
            plan: all of it instead, as in a file of `delrec experiment --plan`, in YAML or JSON.
            confirmed: you have seen how many runs it has; needed for more than 200.
        """
        self.access.require_change(request)  # a dry run tells which paths exist here
        if plan:
            alone(preset=preset != USUAL, settings=settings, vary=vary, seeds=seeds, template=template)
            asked, called, question = plan_from_yaml(plan, "plan")
        else:
            lines, called, question = vary or (), "", ""
            base = load_config(preset, overrides=settings or (), varied=firsts(read_grid(lines)))
            asked = make_plan(preset, base, vary=lines, seed_text=seeds, template=template)
        if dry_run:
            return asdict(forecast_experiment(asked))
        return as_dict(experiments.start(asked, name.strip() or called or None, question, confirmed=confirmed).id)

    def tune(
        self,
        request: gr.Request,
        vary: list[str] | None = None,
        preset: str = USUAL,
        settings: list[str] | None = None,
        metric: str = DEFAULT,
        trials: int = USUAL_TRIALS,
        pruning: bool = True,
        name: str = "",
        dry_run: bool = False,
        plan: str = "",
    ) -> dict[str, Any]:
        """Search, trial after trial, for what validates best. Returns it as `lead_experiment` does, or what it takes.

        Args:
            vary: ranges such as "finetune.lr=1e-4..1e-2", or lists such as "teacher.name=sasrec,gru4rec".
            preset: smoke, quickstart, full, sparse or paper.
            settings: changes of the base such as "distill.steps=50".
            metric: finetune.NDCG@10, teacher.NDCG@10 or text.NDCG@10, all on validation users.
            trials: configurations to try at most.
            pruning: give up trials that fall behind.
            name: a unique name; chosen for you if empty.
            dry_run: only say how many trials it has, how long they take at most in seconds and what is in the way.
            plan: all of it instead, as in a file of `delrec tune --plan`, in YAML or JSON.
        """
        self.access.require_change(request)
        if plan:
            options = {"metric": metric != DEFAULT, "trials": trials != USUAL_TRIALS, "pruning": not pruning}
            alone(preset=preset != USUAL, settings=settings, vary=vary, **options)
            search, called, question = search_from_yaml(plan, "plan")
        else:
            space, called, question = read_space(vary or ()), "", ""
            base = load_config(preset, overrides=settings or (), varied=firsts(space))
            search = make_search(preset, base, space, metric=metric, trials=trials, pruning=pruning)
        if dry_run:
            return asdict(searches.forecast_search(search))
        return as_dict(searches.start(search, name.strip() or called or None, question).id)

    def experiments(self) -> list[dict[str, Any]]:
        """All experiments, newest first: id, name, question, whether it is paused, how many runs are in each state."""
        return [{**about(it), "runs": counts} for it, counts in experiments.listed()]

    def lead_experiment(self, request: gr.Request, experiment: str, action: str = "show") -> dict[str, Any]:
        """Lead all runs of an experiment at once. Returns it with each run: id, variant, seed, state, error and remedy.

        A search is told with its trials, best first, and their values; test users are not asked before it is closed.

        Args:
            experiment: id or name.
            action: show, cancel, pause, resume, retry-failed, or of a search close.
        """
        if action != "show":
            self.access.require_change(request)
            if action not in ACTIONS:
                raise StudioError(f"unknown action {action!r}", remedy=f"choose one of show, {', '.join(ACTIONS)}")
            ACTIONS[action](experiment)
        return as_dict(experiment)

    def recommend(self, run: str, titles: list[str], k: int = 10) -> dict[str, Any]:
        """What comes after a list of titles, by a finished run: the teacher's list and the language model's.

        Args:
            run: id or name of a finished run.
            titles: oldest first; exact titles go before forgiven ones, and "id:50" is the item with that id.
            k: how many to recommend, 1 to 100.
        """
        return self._answering.wait(run, "recommend", [{"titles": titles, "k": k}])[0]

    def explain(
        self,
        run: str,
        user: str = "",
        titles: list[str] | None = None,
        item: str = "",
        rival: str = "",
        model: str = "",
        beside: str = "",
        catalogue: bool = False,
        parts: list[str] | None = None,
    ) -> dict[str, Any]:
        """Why a row of a finished run recommends an item: the report of *Inspect* and `delrec explain`, as JSON.

        Args:
            run: id or name of a finished run.
            user: a test user by id in the data set; or else titles.
            titles: a history of your own, oldest first, as for `recommend`; with a user, what hers is changed to.
            item: the item to explain, a title or "id:50"; empty for the row's first.
            rival: why rather than this one, a title or "id:50"; empty for the strongest other.
            model: the row of the results table that is explained; empty for the run's default one.
            beside: the row whose ranking and reasons stand beside it; empty for the teacher.
            catalogue: candidates are the row's best of all items, not the evaluation's; with titles they always are.
            parts: what is measured, such as "summary" (seconds), "effects" or "gradients"; all of *Inspect* if empty.
        """
        if not user and not titles:
            raise StudioError("whose recommendation?", where="user, titles", remedy="give one of the two")
        requested = list(parts or REASONS)
        check_parts(requested)
        question = Question(
            user=user,
            titles=tuple(checked_titles(titles)) if titles else None,
            model=model,
            beside=beside,
            candidates="catalogue" if catalogue else "sampled",
        )
        items = {"item": item} if item else {}
        rivals = {"rival": rival} if rival else {}
        requests = [question.request(part) | items | (rivals if part == RATHER else {}) for part in requested]
        found = self._answering.wait(run, "explain", requests)
        report = ExplanationReport.merged(map(ExplanationReport.read, found))
        assert report is not None
        return report.only(requested).to_json()


ENDPOINTS = tuple(name for it in (Endpoints, DataEndpoints) for name in vars(it) if not name.startswith("_"))


def build(access: Access) -> None:
    """Register the endpoints; call it inside the app's Blocks."""
    machine = Endpoints(access)
    for name in ENDPOINTS:
        # Not by gradio's queue: MCP would ask a queued endpoint through HTTP, without the visitor's password.
        gr.api(_worded(getattr(machine, name)), api_name=name, queue=False)


def _worded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Faults reach the caller as the sentence that pages show, never as a trace."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception as error:
            raise gr.Error(error_text(error), print_exception=False) from error

    return call


def _within(limit: int, most: int) -> int:
    return max(1, min(limit, most))


def _told(run: Run) -> dict[str, Any]:
    shown = {name: value for name, value in run.as_dict().items() if name not in HIDDEN}
    return shown | {"position": api.queue_position(run.id) if run.state == "queued" else None}
