"""What an experiment varies, and the runs that follow: variants times a grid times data sets times seeds."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import Field

from engine.config import RunConfig
from engine.config_base import FrozenModel
from engine.errors import StudioError
from engine.labels import listed
from engine.locations import settled
from engine.recipe import identity
from engine.setting_values import write
from engine.settings import checked_names, flatten, make_config, nest

MOST_RUNS = 20_000
MOST_NAMED = 3
"""Names that a refusal offers instead of one that there is not."""
BASE = "as it stands"
"""What the variant is called that changes nothing."""
PLACE = ("data.path", "data.category", "data.columns", "data.encoding")
"""Settings that belong to one data set and do not go along to another."""
REMEDY = "drop one of them, or vary something that matters to this configuration"


class Variant(FrozenModel):
    """A named change of settings."""

    label: str = Field(min_length=1, max_length=80)
    settings: dict[str, Any] = Field(default={})
    """By dotted name; empty for the base as it stands."""


class Plan(FrozenModel):
    """A base configuration and what varies."""

    preset: str | None = None
    """Where the base came from."""
    base: dict[str, Any]
    """The whole configuration, nested."""
    variants: list[Variant] = Field(default=[])
    vary: dict[str, list[Any]] = Field(default={})
    """The grid: values by dotted name, in the order of the columns."""
    datasets: list[str] = Field(default=[])
    seeds: list[int] = Field(default=[])
    """Empty takes the base's."""
    left_out: dict[str, str] = Field(default={})
    """What is not run, by label, with the reason: variants that the base cannot have, and combinations of a variant
    with the grid that would be the same runs as others."""

    @property
    def size(self) -> int:
        """How many runs it has."""
        number = max(1, len(self.variants)) * max(1, len(self.datasets))
        for values in self.vary.values():
            number *= len(values)
        if self.left_out and number <= MOST_RUNS:
            number = sum(1 for _ in _kept(self))
        return number * max(1, len(self.seeds))


@dataclass(frozen=True)
class Planned:
    """One run of a plan."""

    config: RunConfig
    label: str
    """Of its variant, the same for every seed."""


def expand(plan: Plan) -> list[Planned]:
    """The runs, seed after seed, so that the first table is whole early.

    Raises:
        StudioError: unknown settings, values that are not usable, nothing that varies, too many runs, or variants that
            would find the same as each other.
    """
    names = ["data.dataset", *plan.vary, *(name for variant in plan.variants for name in variant.settings)]
    checked_names(names)
    if "seed" in names:
        raise StudioError("seeds are no setting to vary", where="seed", remedy="say --seeds 0-2")
    for name, values in {**plan.vary, "seeds": plan.seeds, "data sets": plan.datasets}.items():
        refuse_twice(name, values)
    refuse_large(plan)
    if not (variants := [(cell.label, cell.settings()) for cell in _kept(plan)]):
        raise StudioError("everything is left out", where="left_out", remedy="leave something to run")
    seeds = plan.seeds or [int(plan.base["seed"])]
    first = list(_planned(plan, variants, seeds[0]))
    refuse_alike(first)
    return [*first, *(planned for seed in seeds[1:] for planned in _planned(plan, variants, seed))]


def refuse_large(plan: Plan) -> None:
    """Raise :class:`StudioError` if a plan has more runs than can be listed."""
    if plan.size > MOST_RUNS:
        remedy = f"vary less: {MOST_RUNS:,} are the most"
        raise StudioError(f"{plan.size:,} runs are more than an experiment can hold", where="--vary", remedy=remedy)


def refuse_twice(name: str, values: Sequence[Any]) -> None:
    """Raise :class:`StudioError` if a value of a list comes twice."""
    texts = [write(value) for value in values]  # of values themselves, 1 is True
    for place, text in enumerate(texts):
        if text in texts[:place]:
            raise StudioError(f"{text} comes twice", where=name, remedy="say each value once")


def refuse_alike(planned: Sequence[Planned]) -> None:
    """Raise :class:`StudioError` if two variants of one seed would find the same, or share a label."""
    known: dict[str, str] = {}
    labels: set[str] = set()
    for it in planned:
        same = known.setdefault(identity(it.config), it.label)
        if same != it.label or it.label in labels:
            what = f"{it.label!r} would be the same runs as {same!r}: what they differ in does not matter here"
            raise StudioError(what, where="variants", remedy=REMEDY)
        labels.add(it.label)


def without_alike(plan: Plan) -> Plan:
    """The plan less combinations of a variant with the grid that would be the same runs as others; it says which.

    Where the grid makes no difference to the first variant either, nothing is left out, and :func:`expand` refuses it.
    """
    cells = list(_kept(plan))
    checked_names(plan.vary)
    first = cells[0].variant
    planned = _planned(plan, [(cell.label, cell.settings()) for cell in cells], int(plan.base["seed"]))
    known: dict[str, str] = {}
    alike: dict[str, str] = {}
    for cell, it in zip(cells, planned, strict=True):
        same = known.setdefault(identity(it.config), it.label)
        if same != it.label and cell.variant is not first:
            alike[it.label] = f"it would be the same runs as {same!r}"
    return plan.model_copy(update={"left_out": plan.left_out | alike})


def refuse_unknown(plan: Plan) -> None:
    """Raise :class:`StudioError` if what is left out is none of a plan's variants or combinations with the grid."""
    refuse_large(plan)
    known = dict.fromkeys(name for cell in _cells(plan) for name in (cell.variant.label, cell.label))
    if unknown := next((name for name in plan.left_out if name not in known), None):
        close = difflib.get_close_matches(unknown, known, n=MOST_NAMED, cutoff=0)
        remedy = f"name one that the plan has, such as {listed([repr(name) for name in close], 'or')}"
        raise StudioError(f"there is no variant {unknown!r} to leave out", where="left_out", remedy=remedy)


def of_columns(configs: Sequence[RunConfig]) -> list[str]:
    """The settings in which runs differ, seeds and places of data left out, in the order of declaration."""
    values = [dict(flatten(config)) for config in configs]
    left_out = {"seed", *PLACE} - {"data.category"}
    names = values[0] if values else {}
    return [name for name in names if name not in left_out and any(it[name] != values[0][name] for it in values)]


def label_of(settings: Mapping[str, Any]) -> str:
    """``teacher.name=caser, distill.prompt=none``."""
    return ", ".join(f"{name}={write(value)}" for name, value in settings.items()) or BASE


class _Combination(NamedTuple):
    """A combination of all that varies but for the seed."""

    label: str
    variant: Variant
    dataset: str | None
    grid: dict[str, Any]

    def settings(self) -> dict[str, Any]:
        """By dotted name.

        Raises:
            StudioError: the variant sets what the grid varies, or either of them the data set that varies.
        """
        if clash := sorted(self.grid.keys() & self.variant.settings.keys()):
            what = f"{self.variant.label!r} sets {clash[0]}, over which the grid varies too"
            raise StudioError(what, where=clash[0], remedy="vary it in one place")
        own = {**self.variant.settings, **self.grid}
        if self.dataset is None:
            return own
        if "data.dataset" in own:
            raise StudioError("the data set varies already", where="data.dataset", remedy="vary it in one place")
        return {"data.dataset": self.dataset, **_no_place(), **own}


def _cells(plan: Plan) -> Iterator[_Combination]:
    """Those that are left out, too."""
    datasets: Sequence[str | None] = plan.datasets or [None]
    for dataset, variant in itertools.product(datasets, plan.variants or [Variant(label=BASE)]):
        for values in itertools.product(*plan.vary.values()):
            grid = dict(zip(plan.vary, values, strict=True))
            parts = [variant.label] if plan.variants else []
            parts += [label_of(grid)] if grid else []
            parts += [dataset] if dataset and len(plan.datasets) > 1 else []
            yield _Combination(" · ".join(parts) or BASE, variant, dataset, grid)


def _kept(plan: Plan) -> Iterator[_Combination]:
    """Those that are run."""
    return (it for it in _cells(plan) if not plan.left_out.keys() & {it.label, it.variant.label})


def _no_place() -> dict[str, Any]:
    usual = dict(flatten(RunConfig()))
    return {name: usual[name] for name in PLACE}


def _planned(plan: Plan, variants: Sequence[tuple[str, dict[str, Any]]], seed: int) -> Iterator[Planned]:
    stands = dict(flatten(make_config(plan.base)))
    for label, settings in variants:
        try:
            config = settled(make_config(nest({**stands, **settings, "seed": seed})))
        except StudioError as error:
            what = f"{label}: {error.what}"
            raise StudioError(what, where=error.where, remedy=error.remedy) from None
        yield Planned(config, label)
