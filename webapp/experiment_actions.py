"""What programs can do with an experiment as a whole, and what they are told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import StudioError
from jobs import experiments, searches
from jobs.records import Experiment

LEADING: dict[str, tuple[Callable[[str], int], str]] = {
    "pause": (experiments.pause, "waiting"),
    "resume": (experiments.resume, "queued"),
    "retry-failed": (experiments.retry_failed, "queued"),
    "cancel": (experiments.cancel, "stopped"),
}
"""What can be done with all runs of an experiment, and what so many of them are then."""
ACTIONS: dict[str, Callable[[str], Any]] = {name: act for name, (act, _) in LEADING.items()} | {"close": searches.close}
"""What can be done with an experiment as a whole, beside looking at it."""


def alone(**given: Any) -> None:
    """Raise :class:`StudioError` for the first parameter that was given beside a plan, which says it itself."""
    if name := next((name for name, value in given.items() if value), None):
        raise StudioError(f"{name} does not go with plan", where=name, remedy="write it into the plan")


def about(experiment: Experiment) -> dict[str, Any]:
    """Its head."""
    return {name: getattr(experiment, name) for name in ("id", "name", "question", "paused")}


def as_dict(reference: str) -> dict[str, Any]:
    """An experiment with its runs; of a search, :meth:`jobs.searches.SearchState.as_dict`."""
    found = experiments.standing(reference)
    if found.experiment.search is not None:
        return searches.standing(reference).as_dict()
    own = ("id", "name", "seed", "state", "error", "remedy")
    runs = [
        {name: getattr(run, name) for name in own} | {"variant": found.labels[run.id] or run.name} for run in found.runs
    ]
    return {**about(found.experiment), "deleted": found.deleted, "left_out": found.left_out, "runs": runs}
