"""Which configuration a search tries next, and which trial it gives up, by what validation has shown so far.

Nothing is remembered here: the next trial follows from the search, its number and the trials before it, so a search
that was killed goes on as if it had not been. Optuna draws and prunes; it is loaded when it is asked, not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.config import RunConfig
from engine.errors import StudioError
from engine.experiment.plan import Planned, label_of
from engine.experiment.search import Search, configure
from engine.experiment.space import Domain, Range
from engine.recipe import stage_recipes
from engine.seeds import derive, generator
from engine.setting_values import write
from engine.settings import flatten, make_config

STARTUP = 5
"""Trials that are seen to their end before others are given up."""
DRAWS = 40
"""How often something new is drawn before what is left is looked through."""
MOST_SEARCHED = 5000
COUNTED = 10**7
"""In larger spaces something new is always drawn."""


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried, and what validation has shown of it."""

    config: RunConfig
    state: Literal["complete", "pruned", "failed", "running"]
    points: Mapping[int, float]
    """Of the searched curve, by step."""

    @property
    def value(self) -> float | None:
        """The highest point of a trial that was seen to its end."""
        return max(self.points.values()) if self.state == "complete" and self.points else None


def suggest(search: Search, trials: Sequence[Trial], number: int) -> Planned | None:
    """What trial ``number`` (from 0) tries: first the base, if it is one of the choices; ``None`` if nothing is left.

    What would be validated the same as an earlier trial, however its settings differ, is not tried again.
    """
    seen = {stage_recipes(trial.config)[search.stage] for trial in trials}
    stands = dict(flatten(make_config(search.base)))
    base = {name: stands[name] for name in search.space}
    if number == 0 and all(base[name] in choice for name, choice in search.space.items()):
        return _planned(search, base, seen)
    distributions = {name: _distribution(choice) for name, choice in search.space.items()}
    study = _study(search, trials, distributions)
    for attempt in range(DRAWS):
        study.sampler = _sampler(derive(search.base["seed"], "search", number, attempt), guided=attempt < DRAWS // 2)
        drawn = study.ask(distributions).params
        settings = {name: _value(choice, drawn[name]) for name, choice in search.space.items()}
        if found := _planned(search, settings, seen):
            return found
    for settings in _left(search, number):
        if found := _planned(search, settings, seen):
            return found
    return None


def falls_behind(trials: Sequence[Trial], points: Mapping[int, float]) -> bool:
    """Whether a trial with these points so far is given up: its best is below the median of the others at this step."""
    ended = [trial for trial in trials if trial.value is not None]
    if len(ended) < STARTUP or not points:
        return False
    optuna, study = _empty_study()
    study.add_trials([_frozen(trial, {}, {}) for trial in ended])
    running = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, intermediate_values=dict(points))
    return bool(optuna.pruners.MedianPruner(n_startup_trials=STARTUP).prune(study, running))


def best_of(trials: Sequence[Trial]) -> int | None:
    """The place of the trial with the highest value, the first of several."""
    known = [(trial.value, -place) for place, trial in enumerate(trials) if trial.value is not None]
    return -max(known)[1] if known else None


def _planned(search: Search, settings: Mapping[str, Any], seen: set[str]) -> Planned | None:
    try:
        config = configure(search, settings)
    except StudioError:
        return None
    return None if stage_recipes(config)[search.stage] in seen else Planned(config, label_of(settings))


def _study(search: Search, trials: Sequence[Trial], distributions: Mapping[str, Any]) -> Any:
    """Optuna's view of the trials; those whose settings are no longer among the choices are unknown to it."""
    _, study = _empty_study()
    for trial in trials:
        values = dict(flatten(trial.config))
        if all(values[name] in choice for name, choice in search.space.items()):
            params = {name: _param(choice, values[name]) for name, choice in search.space.items()}
            study.add_trial(_frozen(trial, params, distributions))
    return study


def _empty_study() -> tuple[Any, Any]:
    """Optuna, which says nothing of what it does, and a study in memory."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna, optuna.create_study(direction="maximize")


def _frozen(trial: Trial, params: Mapping[str, Any], distributions: Mapping[str, Any]) -> Any:
    from optuna.trial import TrialState, create_trial

    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "running": TrialState.RUNNING}
    state = states.get(trial.state, TrialState.FAIL)
    if state == TrialState.COMPLETE and trial.value is None:
        state = TrialState.FAIL
    return create_trial(
        state=state,
        value=trial.value,
        params=dict(params),
        distributions=dict(distributions),
        intermediate_values=dict(trial.points),
    )


def _sampler(seed: int, *, guided: bool) -> Any:
    from optuna.samplers import RandomSampler, TPESampler

    return TPESampler(seed=seed) if guided else RandomSampler(seed=seed)


def _distribution(choice: Domain) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(choice, Range):
        kind = IntDistribution if choice.whole else FloatDistribution
        return kind(choice.low, choice.high, log=choice.log)
    return CategoricalDistribution([write(value) for value in choice])


def _param(choice: Domain, value: Any) -> Any:
    return value if isinstance(choice, Range) else write(value)


def _value(choice: Domain, param: Any) -> Any:
    """What a trial is set to for what Optuna drew."""
    if isinstance(choice, Range):
        return choice.near(param)
    return next(value for value in choice if write(value) == param)


def _left(search: Search, number: int) -> list[dict[str, Any]]:
    """Combinations in an order of their own, as many as can be looked through; none where they cannot be counted."""
    import numpy as np

    if search.size is None:
        return []
    lists = [
        list(range(int(choice.low), int(choice.high) + 1)) if isinstance(choice, Range) else choice
        for choice in search.space.values()
    ]
    random = generator(search.base["seed"], "search", "left", number)
    shape = [len(values) for values in lists]
    places = random.permutation(search.size if search.size < COUNTED else 0)[:MOST_SEARCHED]
    picked = (np.unravel_index(place, shape) for place in places)
    return [
        dict(zip(search.space, (values[at] for values, at in zip(lists, places, strict=True)), strict=True))
        for places in picked
    ]
