"""Trials: the runs of a search. They stop as soon as they are validated or fall behind, so test users are never asked.

What a trial has shown is read from its run: its settings, its state, the points of its validation curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from db import experiments as store
from db import metrics as curve_store
from db import runs, stages
from db.experiments import Experiment
from db.runs import Run, RunState
from engine.errors import StudioError
from engine.experiment.search import Search
from engine.experiment.trials import STARTUP, Trial, best_of, falls_behind
from engine.monitor import Monitor, StageState
from engine.settings import stored_config

ALL_POINTS = 10**6
SHOWN_AS: dict[RunState, Literal["pruned", "failed"]] = {"pruned": "pruned", "failed": "failed"}
"""How runs have ended that were not validated, for the search; all others may still show something."""


@dataclass(frozen=True)
class Tried:
    """A trial with its run."""

    run: Run
    label: str
    trial: Trial


def search_in(experiment: Experiment) -> Search:
    """What an experiment searches.

    Raises:
        StudioError: it searches nothing, or was written by another version.
    """
    if experiment.search is None:
        raise StudioError(f"{experiment.name!r} is no search", remedy="'delrec tune list' lists the searches")
    try:
        return Search.model_validate(experiment.search)
    except ValidationError:
        what = f"another version wrote the search {experiment.name!r}"
        raise StudioError(what, where=experiment.id, remedy="go on with that version") from None


def tried(experiment: Experiment) -> list[Tried]:
    """The trials of a search that are there, in the order in which they were begun."""
    search = search_in(experiment)
    labels = {it.run_id: it.label for it in store.members(experiment.id) if it.label is not None}
    found = {run.id: run for run in runs.search(ids=labels.keys())}
    points: dict[str, dict[int, float]] = {}
    for curve in curve_store.curves(found, names=[search.curve], limit=ALL_POINTS):
        points[curve.run_id] = dict(zip(curve.steps, curve.values, strict=True))
    validated = stages.through(found, search.stage)  # the best goes on, and may fail or be stopped as any run

    def trial(run: Run) -> Trial:
        config, shown = stored_config(run.config), points.get(run.id, {})
        return Trial(config, "complete" if run.id in validated else SHOWN_AS.get(run.state, "running"), shown)

    return [Tried(run, label, trial(run)) for run_id, label in labels.items() if (run := found.get(run_id))]


def best(trials: Sequence[Tried]) -> Tried | None:
    """The trial with the highest value, the first of several."""
    place = best_of([it.trial for it in trials])
    return None if place is None else trials[place]


def refuse_trial(run: Run) -> None:
    """Raise :class:`StudioError` if a run would ask test users while it is the trial of a search that is not closed."""
    if (search := store.search_of(run.id)) is not None:
        what = (
            f"run {run.name!r} is a trial of the search {search.name!r}: test users are not asked before it is closed"
        )
        raise StudioError(what, where=run.id, remedy=f"close it: delrec tune close {search.id}")


def monitor_of(run_id: str) -> TrialMonitor | None:
    """What makes a run stop where its search wants it to; ``None`` for all other runs."""
    experiment = store.search_of(run_id)
    return None if experiment is None else TrialMonitor(experiment, run_id)


class TrialMonitor(Monitor):
    """Stops a trial once it is validated, or has fallen behind the others."""

    def __init__(self, experiment: Experiment, run_id: str) -> None:
        self.experiment, self.search = experiment, search_in(experiment)
        self.outcome: RunState | None = None
        self.reason: str | None = None
        self._run_id = run_id
        before = curve_store.curves([run_id], names=[self.search.curve], limit=ALL_POINTS)
        self._points = {step: value for curve in before for step, value in zip(curve.steps, curve.values, strict=True)}

    def stage(self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0) -> None:
        if name == self.search.stage and state != "running":
            self.outcome, self.reason = "validated", None

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        if stage != self.search.stage or self.search.curve.name not in values:
            return
        self._points[step] = values[self.search.curve.name]
        if self.search.pruning and self.outcome is None and self._behind():
            self.outcome = "pruned"
            best = max(self._points.values())
            self.reason = f"{self.search.metric} was {best:.3f} at best by {step}, below the median of earlier trials"

    def should_stop(self) -> bool:
        return self.outcome is not None

    def _behind(self) -> bool:
        """Judged by what the others had reached by then; without the database nothing is given up."""
        try:
            others = [it.trial for it in tried(self.experiment) if it.run.id != self._run_id]
        except (SQLAlchemyError, StudioError):
            return False
        return sum(it.value is not None for it in others) >= STARTUP and falls_behind(others, self._points)
