"""What an experiment will take: every run by the speed of this machine, and what its runs need not make twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import StudioError
from engine.experiment.plan import Plan, Planned, expand
from engine.recipe import row_recipe, stage_recipes
from engine.rows import table_rows
from engine.stage_cache import shares
from jobs.forecast import Forecast, done_here, forecast
from jobs.preflight import preflight

ASKED_FROM = 201
"""Runs from which on an experiment is started only by somebody who has seen how long it takes."""
SAMPLED = 40
"""Variants whose duration is looked up at most; the others are taken to be like these."""


@dataclass(frozen=True)
class RunForecast:
    """One run of the preview; seconds are ``None`` where its speed is not known here."""

    label: str
    seed: int
    alone: float | None
    """Seconds if nothing were shared."""
    shared: float | None
    """Seconds with what runs before it in the experiment have made already."""
    memory_mb: float | None


@dataclass(frozen=True)
class ExperimentForecast:
    """What an experiment will take."""

    runs: tuple[RunForecast, ...]
    """All, or the first of each variant that was looked at where there are very many."""
    size: int
    alone: float | None
    """Seconds of all runs one by one."""
    shared: float | None
    """Seconds of all runs with shared stages."""
    memory_mb: float | None
    """Peak memory of the largest run."""
    problems: tuple[str, ...]
    """What would make variants fail, a sentence each."""
    left_out: dict[str, str]
    """Variants of a template that the base cannot have, by label, with the reason."""


def forecast_experiment(plan: Plan) -> ExperimentForecast:
    """Look at a plan before it starts.

    A plan of very many runs is judged by some of them, so that it can be refused within a second.

    Raises:
        StudioError: as :func:`engine.experiment.plan.expand`.
    """
    planned = expand(_smaller(plan) if plan.size >= ASKED_FROM else plan)
    forecasts, found = _looked_at(planned)
    made: set[str] = set()
    runs = tuple(
        _expected(it, forecasts[it.label], made if shares(it.config.run.processes) else set()) for it in planned
    )
    scale = plan.size / len(runs)
    memory = [it.memory_mb for it in runs if it.memory_mb]
    return ExperimentForecast(
        runs,
        plan.size,
        _sum([it.alone for it in runs], scale),
        _sum([it.shared for it in runs], scale),
        max(memory) if memory else None,
        tuple(map(str, found)),
        plan.left_out,
    )


def refuse_problems(planned: Sequence[Planned]) -> None:
    """Raise :class:`StudioError` for the first thing that would make a variant fail."""
    for problem in problems(planned):
        raise problem


def problems(planned: Sequence[Planned]) -> list[StudioError]:
    """What would make variants fail."""
    return _looked_at(planned)[1]


def _looked_at(planned: Sequence[Planned]) -> tuple[dict[str, Forecast], list[StudioError]]:
    """Forecasts by label, and what is in the way; seeds make no difference, so only the first one's runs are asked."""
    done = done_here()
    forecasts: dict[str, Forecast] = {}
    faults: dict[str, StudioError] = {}
    for it in planned:
        if it.label in forecasts:
            continue
        forecasts[it.label] = forecast(it.config, done=done)
        for check in preflight(it.config, forecasts[it.label]):
            if check.state == "problem":
                fault = StudioError(f"{it.label}: {check.detail}", where=check.name, remedy=check.remedy)
                faults.setdefault(check.detail, fault)
    return forecasts, list(faults.values())


def _smaller(plan: Plan) -> Plan:
    """Some values of each list, so that no more than about :data:`SAMPLED` runs are left."""
    variants = [it for it in plan.variants if it.label not in plan.left_out]
    lists: Mapping[str, int] = {
        **{name: len(values) for name, values in plan.vary.items()},
        "variants": len(variants) or 1,
        "datasets": len(plan.datasets) or 1,
    }
    kept = dict(lists)

    def size() -> int:
        total = 1
        for number in kept.values():
            total *= number
        return total

    while size() > SAMPLED:
        longest = max(kept, key=lambda name: kept[name])
        kept[longest] -= 1
    return plan.model_copy(
        update={
            "vary": {name: values[: kept[name]] for name, values in plan.vary.items()},
            "variants": variants[: kept["variants"]],
            "datasets": plan.datasets[: kept["datasets"]],
            "seeds": plan.seeds[:1],
        }
    )


def _expected(it: Planned, expected: Forecast, made: set[str]) -> RunForecast:
    """``made``: recipes of what runs before this one leave behind; this one's are added."""
    fresh = {name for name, recipe in stage_recipes(it.config).items() if recipe not in made}
    rows = {name: row_recipe(it.config, name) for name in table_rows(it.config)}
    new_rows = [name for name, recipe in rows.items() if recipe not in made]
    made.update(stage_recipes(it.config).values(), rows.values())
    if expected.seconds is None:
        return RunForecast(it.label, it.config.seed, None, None, expected.memory_mb)
    shared = 0.0
    for stage, seconds in expected.stages.items():
        if stage == "evaluate":
            shared += seconds * _weight(new_rows) / _weight(list(rows))
        elif stage in ("data", "llm") or stage in fresh:
            shared += seconds
    return RunForecast(it.label, it.config.seed, expected.seconds, shared, expected.memory_mb)


def _weight(rows: Sequence[str]) -> float:
    """Rows of a language model take nearly all the time of an evaluation."""
    return sum(1.0 if name.startswith(("llm", "delrec")) else 0.02 for name in rows)


def _sum(values: Sequence[float | None], scale: float) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) * scale if len(known) == len(values) else None
