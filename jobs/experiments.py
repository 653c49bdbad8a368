"""Experiments: started in one piece, then led as one. Named by id or by name wherever ``reference`` stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from pydantic import ValidationError

from db import experiments as store
from db import lifecycle
from db import runs as run_store
from db import stages as stage_store
from db.experiments import Experiment
from db.runs import ACTIVE, RESUMABLE, Run, RunState
from db.stages import Sharing
from engine.errors import StudioError
from engine.experiment.plan import Plan, expand
from engine.paths import home, writable
from jobs import api, queues, trials
from jobs.experiment_forecast import ASKED_FROM, refuse_problems

ENDED: tuple[RunState, ...] = ("done", *RESUMABLE)


@dataclass(frozen=True)
class ExperimentState:
    """An experiment with its runs, in its order."""

    experiment: Experiment
    runs: tuple[Run, ...]
    labels: dict[str, str | None]
    """Of the runs' variants by run id; ``None`` of runs that were put into it afterwards."""

    @property
    def counts(self) -> dict[RunState, int]:
        """How many runs are in which state."""
        found: dict[RunState, int] = {}
        for run in self.runs:
            found[run.state] = found.get(run.state, 0) + 1
        return found

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do, well or not."""
        return all(run.state in ENDED for run in self.runs)

    @property
    def failed(self) -> list[Run]:
        return [run for run in self.runs if run.state == "failed"]

    @property
    def deleted(self) -> int:
        """How many of the runs that were planned are gone; 0 where that is not known."""
        planned = self._plan.size if self._plan else 0
        return max(0, planned - sum(label is not None for label in self.labels.values()))

    @property
    def left_out(self) -> dict[str, str]:
        """Variants of its template that its base could not have, by label, with the reason."""
        return self._plan.left_out if self._plan else {}

    @cached_property
    def _plan(self) -> Plan | None:
        with suppress(StudioError):
            return plan_in(self.experiment)
        return None


def start(plan: Plan, name: str | None = None, question: str = "", *, confirmed: bool = False) -> Experiment:
    """Queue all runs of a plan, or none.

    Args:
        name: unique; chosen if None.
        question: what is asked, in words.
        confirmed: somebody has seen how many runs it has and how long it takes; needed from ``ASKED_FROM`` runs on.

    Raises:
        StudioError: a plan that cannot be run, too many runs unconfirmed, a name that is taken; data folder, database
            or queue cannot be used.
    """
    if plan.size >= ASKED_FROM and not confirmed:
        remedy = "look at the preview and confirm, or vary less"
        raise StudioError(f"this starts {plan.size:,} runs", where="confirmation", remedy=remedy)
    planned = expand(plan)
    refuse_problems(planned)
    writable(home() / "runs")
    experiment, run_ids = store.create(
        name,
        question,
        plan.model_dump(mode="json"),
        [it.config.model_dump(mode="json") for it in planned],
        [it.label for it in planned],
        plan.preset,
    )
    _wake(run_ids)
    return experiment


def gather(references: Sequence[str], name: str | None = None, question: str = "") -> Experiment:
    """An experiment of runs that are there already.

    Raises:
        StudioError: no such run, or a name that is taken.
    """
    run_ids = [api.status(reference).id for reference in references]
    experiment, _ = store.create(name, question, {}, [], [], None)
    store.add(experiment.id, run_ids)
    return experiment


def add(reference: str, runs: Sequence[str]) -> int:
    """Put runs into an experiment; returns how many were not in it.

    Raises:
        StudioError: no such experiment or run, or it is a search that is not closed.
    """
    run_ids = [api.status(run).id for run in runs]
    return store.add(_whose_runs_may_change(reference).id, run_ids)


def add_or_gather(reference: str, runs: Sequence[str]) -> int:
    """:func:`add`, or :func:`gather` where no experiment is called so; returns how many runs came to it."""
    if reference in {key for it in store.every() for key in (it.id, it.name)}:
        return add(reference, runs)
    gather(runs, reference)
    return len(runs)


def listed() -> list[tuple[Experiment, dict[RunState, int]]]:
    """All experiments, newest first, with how many of their runs are in which state."""
    found = store.every()
    counts = store.states([it.id for it in found])
    return [(it, counts[it.id]) for it in found]


def standing(reference: str) -> ExperimentState:
    """An experiment and its runs as they stand.

    Raises:
        StudioError: no such experiment.
    """
    experiment = store.find(reference)
    members = store.members(experiment.id)
    found = {run.id: run for run in run_store.search(ids=[it.run_id for it in members])}
    there = [it for it in members if it.run_id in found]
    return ExperimentState(experiment, tuple(found[it.run_id] for it in there), {it.run_id: it.label for it in there})


def plan_in(experiment: Experiment) -> Plan:
    """How an experiment was asked for; it starts the same again.

    Raises:
        StudioError: it has none: its runs were put together afterwards, it is a search, or another version wrote it.
    """
    try:
        if experiment.plan:
            return Plan.model_validate(experiment.plan)
        what = f"{experiment.name!r} has no plan: {_kind(experiment)}"
    except ValidationError:
        what = f"another version wrote the plan of {experiment.name!r}"
    raise StudioError(what, where=experiment.id, remedy="start from one of its runs: delrec experiment --like RUN")


def _kind(experiment: Experiment) -> str:
    return "it is a search" if experiment.search else "its runs were put together afterwards"


def sharing(found: ExperimentState) -> Sharing:
    """What its runs took over from others."""
    return stage_store.sharing([run.id for run in found.runs])


def cancel(reference: str) -> int:
    """Stop all runs of an experiment that wait or are under way; returns how many. Each keeps a checkpoint.

    A search begins no further trials until it is resumed.
    """
    found = standing(reference)
    if found.experiment.search and not found.experiment.closed:
        store.pause(found.experiment.id, True)
    return lifecycle.request_cancel_of(_in(found, ("queued", *ACTIVE)))


def pause(reference: str) -> int:
    """Have an experiment wait: what is under way stops with a checkpoint, and is queued as the others; returns how
    many wait."""
    found = standing(reference)
    store.pause(found.experiment.id, True)
    return lifecycle.request_pause_of(_in(found, ACTIVE)) + found.counts.get("queued", 0)


def resume(reference: str) -> int:
    """Have an experiment go on: what is queued, and what was cancelled or interrupted, from its checkpoint.

    Returns how many runs wait now, or will once they have stopped. Those that failed are left to :func:`retry_failed`.
    Of a search that is closed the best trial goes on, and no other: each would ask test users.
    """
    found = standing(reference)
    store.pause(found.experiment.id, False)
    lifecycle.requeue_all(_going_on(found, ("cancelled", "interrupted")))
    return _woken(reference)


def retry_failed(reference: str) -> int:
    """Queue the runs of an experiment that failed again, each from its last checkpoint; returns how many."""
    number = lifecycle.requeue_all(_going_on(standing(reference), ("failed",)))
    _woken(reference)
    return number


def delete(reference: str, *, with_runs: bool = False) -> int:
    """Forget an experiment; its runs stay, or go with it. Returns how many runs were deleted.

    Raises:
        StudioError: no such experiment, a run is under way that was to be deleted, or it is a search that is not
            closed, whose trials would be runs like others that may ask test users.
    """
    found = standing(reference)
    if not with_runs:
        _whose_runs_may_change(found.experiment.id)
    else:
        if active := [run.name for run in found.runs if run.active]:
            raise StudioError(f"run {active[0]!r} is under way", where=found.experiment.id, remedy="cancel it first")
        for run in found.runs:
            api.delete(run.id)
    store.forget(found.experiment.id)
    return len(found.runs) if with_runs else 0


def _whose_runs_may_change(reference: str) -> Experiment:
    found = store.find(reference)
    if found.search and not found.closed:
        what = f"{found.name!r} is a search: its runs are its trials"
        remedy = f"close it first: delrec tune close {found.id}, or delete it with its runs"
        raise StudioError(what, where=found.id, remedy=remedy)
    return found


def _in(found: ExperimentState, states: Collection[str]) -> list[str]:
    return [run.id for run in found.runs if run.state in states]


def _going_on(found: ExperimentState, states: Collection[str]) -> list[str]:
    """Those in these states that may be worked on again: all, but for what a closed search has decided against."""
    ids = _in(found, states)
    if not found.experiment.closed:
        return ids
    chosen = trials.best(trials.tried(found.experiment))
    return [it for it in ids if found.labels[it] is None or (chosen is not None and it == chosen.run.id)]


def _woken(reference: str) -> int:
    runs = standing(reference).runs
    waiting = [run.id for run in runs if run.state == "queued"]
    _wake(waiting)
    return len(waiting) + sum(run.state == "pausing" for run in runs)


def _wake(run_ids: Sequence[str]) -> None:
    """Tell workers. What a full disk or a kill keeps from the queue is sent again by :mod:`jobs.recovery`."""
    queue = queues.training()
    pending = queue.pending()
    queue.add_many([run_id for run_id in run_ids if run_id not in pending])
