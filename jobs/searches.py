"""Searches: experiments whose runs are drawn one after the other. The worker begins the next as soon as there is room.

Everything that a search knows stands in its runs (:mod:`jobs.trials`), so any worker carries it on after any kill.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from db import experiments as store
from db import lifecycle
from db.experiments import Experiment
from db.runs import ACTIVE, RunState
from engine.errors import StudioError
from engine.experiment.plan import Planned
from engine.experiment.search import Search, corners
from engine.experiment.trials import suggest
from engine.labels import plural
from engine.paths import home, writable
from engine.recipe import stage_recipes
from engine.stage_cache import shares
from engine.stages import stage_names
from jobs import api, heartbeat, queues
from jobs.experiment_forecast import problems, refuse_problems
from jobs.forecast import forecast
from jobs.trials import Tried, best, search_in, tried

VALIDATED, UNDER_WAY, DELETED = "validated to the end", "under way", "deleted"
STOPPED: dict[RunState, str] = {
    "pruned": "given up early",
    "failed": "failed",
    "cancelled": "stopped",
    "interrupted": "stopped",
}
"""What is said of trials by their states, where they were not validated."""
GIVEN_UP = 5
"""So many failures before anything was validated, and nothing more is tried until somebody has looked."""


@dataclass(frozen=True)
class SearchState:
    """A search and its trials as they stand."""

    experiment: Experiment
    search: Search
    tried: tuple[Tried, ...]

    @property
    def best(self) -> Tried | None:
        """The trial with the highest value so far."""
        return best(self.tried)

    @property
    def ranked(self) -> list[Tried]:
        """Best first, then those without a value in their order."""
        return sorted(self.tried, key=lambda it: (it.trial.value is None, -(it.trial.value or 0.0)))

    @property
    def hopeless(self) -> bool:
        """Whether nothing but failures has come of it."""
        failed = sum(it.run.state == "failed" for it in self.tried)
        return failed >= GIVEN_UP and self.best is None

    @property
    def waiting(self) -> int:
        """Trials that are queued or under way."""
        return sum(it.run.state in ("queued", *ACTIVE) for it in self.tried)

    @property
    def ended(self) -> bool:
        """Whether all trials were begun and have ended."""
        return self.experiment.tried >= self.search.trials and not self.waiting

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is searched, how far it is, and every trial, best first."""
        found = None if self.best is None else self.best.run.id
        own = ("id", "name", "state", "error", "remedy")
        runs = [
            {name: getattr(it.run, name) for name in own} | {"settings": it.label, "value": it.trial.value}
            for it in self.ranked
        ]
        return head(self.experiment) | {"told": self.summary, "best": found, "runs": runs}

    @property
    def summary(self) -> str:
        """How many configurations were seen, in words."""
        found = Counter(
            VALIDATED if it.trial.state == "complete" else STOPPED.get(it.run.state, UNDER_WAY) for it in self.tried
        )
        found[DELETED] = self.experiment.tried - len(self.tried)
        words = (VALIDATED, *dict.fromkeys(STOPPED.values()), UNDER_WAY, DELETED)
        counted = ", ".join(f"{found[it]} {it}" for it in words if found[it])
        seen = f"{self.experiment.tried} of {plural(self.search.trials, 'configuration')} begun"
        return f"{seen}: {counted}" if counted else seen


@dataclass(frozen=True)
class SearchForecast:
    """What a search will take at most."""

    trials: int
    seconds: float | None
    """``None`` where the speed of a stage is not known here."""
    memory_mb: float | None
    problems: tuple[str, ...]
    """What would make trials fail, a sentence each."""


def forecast_search(search: Search) -> SearchForecast:
    """Look at a search before it starts: nothing given up early, and what does not vary made once."""
    base = corners(search)[0].config
    names = stage_names(base)
    needed = names[: names.index(search.stage) + 1]
    expected = forecast(base)
    memory = [forecast(it.config).memory_mb for it in corners(search)]
    seconds = None
    if all(name in expected.stages for name in needed):
        recipes = [stage_recipes(it.config) for it in corners(search)]
        same = [name for name in needed if name in recipes[0] and len({it.get(name) for it in recipes}) == 1]
        again = [name for name in needed if name not in same or not shares(base.run.processes)]
        alone, shared = (sum(expected.stages[name] for name in part) for part in (needed, again))
        seconds = alone + (search.trials - 1) * shared
    known = [it for it in memory if it]
    found = tuple(map(str, problems(corners(search))))
    return SearchForecast(search.trials, seconds, max(known) if known else None, found)


def start(search: Search, name: str | None = None, question: str = "") -> Experiment:
    """Queue the first trial; the worker queues the others, each once there is room.

    Raises:
        StudioError: a search that cannot be carried out, a name that is taken; data folder, database or queue cannot
            be used.
    """
    refuse_problems(corners(search))
    first = suggest(search, [], 0)
    if first is None:
        raise StudioError("no combination of these values is usable", where="--vary", remedy="let settings vary less")
    writable(home() / "runs")
    values = first.config.model_dump(mode="json")
    made, run_ids = store.create(
        name, question, {}, [values], [first.label], search.preset, search.model_dump(mode="json")
    )
    queues.training().add_many(run_ids)
    return made


def standing(reference: str) -> SearchState:
    """A search and its trials as they stand.

    Raises:
        StudioError: no such search.
    """
    experiment = store.find(reference)
    return SearchState(experiment, search_in(experiment), tuple(tried(experiment)))


def head(experiment: Experiment) -> dict[str, Any]:
    """For JSON: what is searched, and how many trials were begun."""
    about = {name: getattr(experiment, name) for name in ("id", "name", "question", "paused", "closed", "tried")}
    return about | search_in(experiment).model_dump(mode="json", include={"metric", "space", "trials"})


def listed() -> list[Experiment]:
    """All searches, newest first."""
    return [it for it in store.every() if it.search is not None]


def advance() -> None:
    """Queue the next trials of all searches that go on, as many at a time as workers take up."""
    for experiment in store.open_searches():
        with _faults.setdefault(
            experiment.id, heartbeat.WriteFault(f"the search {experiment.name!r} waits")
        ).logged_once():
            while _next(experiment.id):
                pass


_faults: dict[str, heartbeat.WriteFault] = {}


def _next(experiment_id: str) -> bool:
    """Queue one more trial of a search; ``False`` if there is no room, or nothing left to try."""
    found = standing(experiment_id)
    number = found.experiment.tried
    room = len(api.workers())  # not at_once of each: a trial is drawn by what those before it have shown
    if found.waiting >= max(1, room) or number >= found.search.trials or found.hopeless:
        return False
    planned: Planned | None = suggest(found.search, [it.trial for it in found.tried], number)
    if planned is None:
        store.change_search(experiment_id, found.search.model_copy(update={"trials": number}).model_dump(mode="json"))
        return False
    run_id = store.add_trial(experiment_id, number, planned.config.model_dump(mode="json"), planned.label)
    if run_id is not None:
        queues.training().add(run_id)
    return run_id is not None


def close(reference: str) -> Tried | None:
    """End a search for good: what is under way is stopped, and the best trial goes on to the test users.

    Returns:
        that trial, which is queued; ``None`` if none was validated.

    Raises:
        StudioError: no such search, or it is closed already.
    """
    found = standing(reference)
    if not store.close(found.experiment.id):
        raise StudioError(f"the search {found.experiment.name!r} is closed already", where=found.experiment.id)
    lifecycle.request_cancel_of([it.run.id for it in found.tried if it.run.state in ("queued", *ACTIVE)])
    chosen = standing(reference).best
    if chosen is not None and lifecycle.requeue(chosen.run.id):
        queues.training().add(chosen.run.id)
    return chosen
