"""How long a run will take and how much memory, by the speed of runs that were done on this machine."""

from __future__ import annotations

import platform
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db import stages as stage_store
from db.stages import Done
from engine.config import RunConfig
from engine.config_data import PROTOCOL
from engine.errors import StudioError
from engine.locations import settled
from engine.settings import flatten, make_config
from engine.stages import stage_names, trained_teachers

TOKENS_PER_ITEM, OTHER_TOKENS = 9, 60
"""About how long prompts are; only the ratio between two runs counts."""
BACKWARD = 2
"""A backward pass costs about two forward passes."""


@dataclass(frozen=True)
class Forecast:
    """What a run is expected to take."""

    stages: dict[str, float]
    """Seconds of each stage whose speed is known."""
    missing: tuple[str, ...]
    """Stages never measured here with this teacher, data set or language model, or on an unknown number of users."""
    users_unknown: bool
    """All test users are taken, and no run here has told how many these data have."""
    memory_mb: float | None
    """Peak resident memory in MB of the most alike run with this language model."""
    source: str | None
    """Name of that run."""
    equal: bool
    """It had the same settings but for the seed."""

    @property
    def seconds(self) -> float | None:
        """The whole run; ``None`` where a stage is missing."""
        return None if self.missing else sum(self.stages.values())


Known = Sequence[tuple[Done, RunConfig]]
"""Runs that were done, with their settings."""


def done_here() -> Known:
    """The latest runs that were done on this machine with settings that this version reads."""
    done = stage_store.done_runs(platform.node())
    return [(run, config) for run in done if (config := _read(run.config))]


def forecast(config: RunConfig, done: Known | None = None) -> Forecast:
    """Judge each stage by the most alike run that was done on this machine, the latest among equals.

    A stage takes as long as its work, by the speed of that run; work is counted in prompts times their length, or in
    epochs. Only runs with the same language model, data set or teacher, whichever the stage depends on, are asked.
    ``done`` spares looking them up again.
    """
    config = settled(config)
    done = done_here() if done is None else done
    ranked = sorted(done, key=lambda pair: -_likeness(config, pair[1]))  # stable: what came first stays first
    users = {_has_users(other): run.test_users for run, other in reversed(ranked) if run.test_users}
    stages = {}
    for stage in stage_names(config):
        times = [time for run, other in ranked if (time := _scaled(stage, config, run, other, users)) is not None]
        if times:  # fetching and converting happen once, so the quickest load is the usual one
            stages[stage] = min(times) if stage in ("data", "llm") else times[0]
    like = next((run for run, other in ranked if other.llm.name == config.llm.name), None)
    return Forecast(
        stages,
        tuple(name for name in stage_names(config) if name not in stages),
        "evaluate" not in stages and _tested(config, users) is None,
        like.peak_rss_mb if like else None,
        ranked[0][0].name if ranked else None,
        bool(ranked) and _likeness(config, ranked[0][1]) == sum(1 for _ in flatten(config)),
    )


def _scaled(
    stage: str, config: RunConfig, run: Done, other: RunConfig, users: Mapping[Hashable, int | None]
) -> float | None:
    """Seconds of a stage by the speed of ``run``; None if that run tells nothing about it."""
    base, _, architecture = stage.partition(":")
    name = stage
    if base == "teacher":
        architecture = trained_teachers(config)[architecture or config.teacher.name][0]
        name = "teacher" if other.teacher.name == architecture else f"teacher:{architecture}"
    depends, work = STAGES[base]
    if name not in run.seconds or depends(config) != depends(other):
        return None
    seconds = run.seconds[name] * work(config) / work(other)
    if base != "evaluate" or (_has_users(config), config.eval.users) == (_has_users(other), other.eval.users):
        return seconds
    mine, theirs = _tested(config, users), _tested(other, users)
    return seconds * mine / theirs if mine and theirs else None


def _tested(config: RunConfig, users: Mapping[Hashable, int | None]) -> int | None:
    """How many test users are asked; None where that is not known."""
    there, asked = users.get(_has_users(config)), config.eval.users
    return min(asked or there, there) if there else asked


def _has_users(config: RunConfig) -> Hashable:
    """What the number of test users depends on."""
    own = config.data.model_dump(exclude={*PROTOCOL - {"split"}, "text", "unescape"})
    return *own.items(), config.seed if config.data.split == "cold-items" else None


def _likeness(config: RunConfig, other: RunConfig) -> int:
    """How many settings, the seed aside, are equal."""
    own, others = dict(flatten(config)), dict(flatten(other))
    return sum(name == "seed" or own[name] == others[name] for name in own)


def _read(values: Mapping[str, Any]) -> RunConfig | None:
    try:
        return make_config(values)
    except StudioError:  # written by another version
        return None


def _data(config: RunConfig) -> Hashable:
    return config.data.dataset, config.data.path, config.data.category


def _text(config: RunConfig) -> Hashable:
    own = config.teacher
    return (
        _data(config),
        config.run.processes,
        own.max_length,
        own.width,
        own.layers,
        own.heads,
        own.batch_size,
        own.negatives,
    )


def _teacher(config: RunConfig) -> Hashable:
    return _text(config), tuple(pair for pair in flatten(config.teacher) if "." in pair[0])


def _model(config: RunConfig) -> Hashable:
    return config.llm.name, config.llm.dtype, config.llm.device, config.run.processes


def _adapted(config: RunConfig) -> Hashable:
    return _model(config), config.finetune.top_layers, config.finetune.passes, config.llm.prompts


def _model_and_data(config: RunConfig) -> Hashable:
    return _model(config), _data(config), config.llm.prompts


def _length(config: RunConfig) -> float:
    """Of a prompt, in tokens."""
    if config.llm.prompts == "sequence":
        return TOKENS_PER_ITEM * config.data.history + OTHER_TOKENS + config.distill.soft_tokens
    return TOKENS_PER_ITEM * (config.data.history + config.data.candidates) + OTHER_TOKENS + config.distill.soft_tokens


def _distil_work(config: RunConfig) -> float:
    own = config.distill
    tasks = 1 if own.prompt == "lsr" else own.ta + own.rps
    trained = own.steps * own.batch_size * (1 + BACKWARD)
    return tasks * (trained + (own.steps // own.validate_every + 1) * own.validation_users) * _length(config)


def _finetune_work(config: RunConfig) -> float:
    own = config.finetune
    trained = own.steps * own.batch_size * (1 + BACKWARD)
    return (trained + (own.steps // own.validate_every + 1) * own.validation_users) * _length(config)


def _plus_work(config: RunConfig) -> float:
    return config.plus.weighed_users * _length(config)


def _evaluate_work(config: RunConfig) -> float:
    rows = len(config.eval.llm_rows) + config.plus.enabled
    lists = 1.5 if config.data.split == "cold-items" else 1  # beside the teacher's list two candidate sets, not one
    return max(rows, 1) * _length(config) * lists


STAGES: dict[str, tuple[Callable[[RunConfig], Hashable], Callable[[RunConfig], float]]] = {
    "data": (_data, lambda _: 1.0),
    "llm": (_model, lambda _: 1.0),
    "teacher": (_teacher, lambda config: float(config.teacher.epochs)),
    "distil": (_model, _distil_work),
    "finetune": (_adapted, _finetune_work),
    "text": (_text, lambda config: float(config.teacher.epochs)),
    "plus": (_model_and_data, _plus_work),
    "evaluate": (_model_and_data, _evaluate_work),
}
"""What the speed of each stage depends on, and how much work it is: for the evaluation, of each test user."""
