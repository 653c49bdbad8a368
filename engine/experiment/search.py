"""What is searched: a base configuration, what may vary, and the validation metric by which trials are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from engine.config import RunConfig
from engine.config_base import FrozenModel
from engine.curves import CurveName
from engine.errors import StudioError
from engine.experiment.plan import BASE, Planned, label_of, refuse_twice
from engine.experiment.space import Domain, Range
from engine.labels import plural
from engine.locations import settled
from engine.recipe import stage_recipes
from engine.seeds import generator
from engine.setting_values import write
from engine.settings import flatten, make_config, nest
from engine.stages import SELECTED_BY, STAGES, TITLES, stage_names

if TYPE_CHECKING:
    import numpy as np

METRICS = {f"{stage.name}.{stage.selects}": stage.name for stage in STAGES if stage.ranks}
"""What can be searched for: by what these stages keep their best weights, on validation users."""
DEFAULT = f"finetune.{SELECTED_BY['finetune']}"
MOST_TRIALS = 1000
USUAL_TRIALS = 20
DRAWS = 20
"""Combinations of the other settings with which a value is tried before it is refused."""
ASKED = ("data.history", "data.text", "data.domain", "data.unescape")
"""Settings of the data that change neither who validates nor what is asked of them."""


class Search(FrozenModel):
    """A base configuration, what may vary, and by which metric it is judged."""

    preset: str | None = None
    base: dict[str, Any]
    """The whole configuration, nested; its seed seeds the search too."""
    space: dict[str, Domain]
    """By dotted name, in the order of the columns."""
    metric: str = DEFAULT
    trials: int = Field(USUAL_TRIALS, ge=2, le=MOST_TRIALS)
    pruning: bool = True

    @property
    def stage(self) -> str:
        """The stage after which a trial is as far as it needs to be."""
        return METRICS[self.metric]

    @property
    def curve(self) -> CurveName:
        """The curve of that stage whose highest point is a trial's value."""
        return CurveName(self.stage, SELECTED_BY[self.stage], validation=True)

    @property
    def size(self) -> int | None:
        """How many combinations there are; ``None`` where they cannot be counted."""
        number = 1
        for choice in self.space.values():
            if isinstance(choice, Range):
                if not choice.whole:
                    return None
                number *= int(choice.high - choice.low) + 1
            else:
                number *= len(choice)
        return number


def make_search(
    preset: str | None,
    base: RunConfig,
    space: Mapping[str, Domain],
    *,
    metric: str = DEFAULT,
    trials: int = USUAL_TRIALS,
    pruning: bool = True,
) -> Search:
    """A search that can be carried out; no more trials than there are combinations.

    Raises:
        StudioError: nothing to choose from, a value that is not usable, a setting that does not matter or without
            which trials cannot be compared, or a stage that the configuration does not go through.
    """
    if metric not in METRICS:
        raise StudioError(f"nothing is searched by {metric!r}", where="--metric", remedy=f"use {', '.join(METRICS)}")
    if not 2 <= trials <= MOST_TRIALS:
        what = f"{plural(trials, 'trial is', 'trials are')} no search"
        raise StudioError(what, where="--trials", remedy=f"take 2 to {MOST_TRIALS:,}")
    search = Search(preset=preset, base=base.model_dump(mode="json"), space=dict(space), metric=metric, trials=trials)
    search = search.model_copy(update={"pruning": pruning})
    if search.stage not in stage_names(base):
        others = [name for name, stage in METRICS.items() if stage in stage_names(base)]
        what = f"this configuration has nothing to validate: it leaves out '{TITLES[search.stage]}'"
        raise StudioError(what, where=metric, remedy=f"put it in, or search by {' or '.join(others)}")
    for name in search.space:
        _refuse_incomparable(name)
    usable = {name: _usable(search, name) for name in search.space}
    search = search.model_copy(update={"space": usable})
    for name in search.space:
        _refuse_idle(search, name)
    return search.model_copy(update={"trials": min(trials, search.size or trials)})


def configure(search: Search, settings: Mapping[str, Any]) -> RunConfig:
    """The configuration of a trial with these settings.

    Raises:
        StudioError: they are not usable, or leave out the stage that is searched.
    """
    config = settled(make_config(nest({**dict(flatten(make_config(search.base))), **settings})))
    if search.stage not in stage_names(config):
        what = f"with {label_of(settings)} nothing is validated: it leaves out '{TITLES[search.stage]}'"
        raise StudioError(what, where=next(iter(settings), ""), remedy="drop that value, or search by another metric")
    return config


def corners(search: Search) -> list[Planned]:
    """The base, and it with each value or end of a range alone, where that is usable: what can be looked at ahead."""
    found = [Planned(configure(search, {}), BASE)]
    for name in search.space:
        for value in _tried(search, name):
            try:
                found.append(Planned(configure(search, {name: value}), label_of({name: value})))
            except StudioError:
                continue
    return found


def choice_words(choice: Domain) -> str:
    """``1e-05 to 0.01, by its logarithm``, or the values."""
    return str(choice) if isinstance(choice, Range) else ", ".join(write(value) or "empty" for value in choice)


def _draw(choice: Domain, random: np.random.Generator) -> Any:
    return choice.draw(random) if isinstance(choice, Range) else choice[random.integers(len(choice))]


def _refuse_incomparable(name: str) -> None:
    if name == "seed":
        what = "trials with different seeds cannot be told apart by their settings"
        raise StudioError(what, where=name, remedy="search with one seed, then repeat the best one with several")
    if (name.startswith("data.") and name not in ASKED) or name.endswith(".validation_users"):
        what = f"{name} changes what is asked in validation, so trials could not be compared"
        raise StudioError(what, where=name, remedy="make it an experiment: delrec experiment --vary")


def _others(search: Search, name: str) -> list[dict[str, Any]]:
    """What the other settings may be: as they stand, then some draws."""
    random = generator(search.base["seed"], "search", "others", name)
    rest = {other: choice for other, choice in search.space.items() if other != name}
    draws = [{other: _draw(choice, random) for other, choice in rest.items()} for _ in range(DRAWS if rest else 0)]
    return [{}, *draws]


def _tried(search: Search, name: str) -> list[Any]:
    choice = search.space[name]
    return [choice.low, choice.high] if isinstance(choice, Range) else choice


def _usable(search: Search, name: str) -> Domain:
    """The choice with its values as the configuration writes them.

    Raises:
        StudioError: a value, or an end of a range, that is never usable; fewer than two values.
    """
    choice, values = search.space[name], []
    others = _others(search, name)
    for value in _tried(search, name):
        fault = None
        for rest in others:
            try:
                values.append(dict(flatten(configure(search, {name: value, **rest})))[name])
                break
            except StudioError as error:
                fault = fault or error
        else:
            assert fault is not None
            raise StudioError(fault.what, where=fault.where or name, remedy=fault.remedy)
    refuse_twice(name, values)
    if len(values) < 2:
        remedy = f"write more values or a range, or set it: --set {name}={write(values[0])}"
        raise StudioError("one value leaves nothing to choose", where=name, remedy=remedy)
    return choice if isinstance(choice, Range) else values


def _refuse_idle(search: Search, name: str) -> None:
    """Raise :class:`StudioError` for a setting that changes nothing of what is validated, whatever the others are."""
    values = _tried(search, name)
    for rest in _others(search, name):
        recipes = set()
        for value in values:
            try:
                recipes.add(stage_recipes(configure(search, {name: value, **rest}))[search.stage])
            except StudioError:
                continue
        if len(recipes) > 1:
            return
    what = f"{name} changes nothing that {search.metric} could show"
    raise StudioError(what, where=name, remedy="search over settings that matter to it, or by another metric")
