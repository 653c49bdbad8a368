"""What determines the result of each stage, of the settings: two runs that agree in it may share that result.

A recipe is told by its digest; it holds the digests of those whose results a stage starts from. Sections are taken
whole but for what is named here, so that a new setting counts until somebody says that it does not.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from engine.architectures import ARCHITECTURES
from engine.config import RunConfig
from engine.config_data import PROTOCOL
from engine.rows import BASELINES, TEXT, last_row, likelihood_rows, method_row, row_spec, table_rows
from engine.stages import distilled_teacher, stage_names, stage_rows, teacher_stage, trained_teachers

UNREAD = frozenset({"text", "unescape"})
"""Settings of the data that change what is read of an item, not who chose it: nothing to a teacher."""
KEPT = 64
"""Configurations whose parts are remembered: one is asked about many times in a row."""


def stage_recipes(config: RunConfig) -> dict[str, str]:
    """By stage, of those that make something which another run could use."""
    recipes = {teacher_stage(config, name): _teacher(config, name) for name in trained_teachers(config)}
    makers = {"distil": _distil, "finetune": _finetune, TEXT: _text, "plus": _plus}
    return recipes | {stage: makers[stage](config) for stage in stage_names(config) if stage in makers}


@functools.lru_cache(maxsize=KEPT)
def row_recipe(config: RunConfig, name: str) -> str:
    """Of the answers of a row of the results table; which users are asked what is not part of it."""
    if name in BASELINES:
        return digest({"row": name, "data": _interactions(config)})
    if name == "ensemble":
        return digest({"row": name, "teachers": [_teacher(config, teacher) for teacher in trained_teachers(config)]})
    if name in trained_teachers(config):
        return digest({"row": name, "teacher": _teacher(config, name)})
    if name in stage_rows(config):
        return digest({"row": name, name: stage_recipes(config)[name]})
    row = row_spec(name)
    if row.mixed:
        return digest({"row": name, "plus": _plus(config)})
    likely = name in likelihood_rows(config)
    return digest(
        {
            "row": name,
            "asked": _prompts(config, row.soft_prompt),
            "prompt": _soft_prompt(config) if row.soft_prompt else None,
            "adapter": _finetune(config) if row.adapter else None,
            "prior": prior_recipe(config, name) if likely else None,
        }
    )


def prior_recipe(config: RunConfig, name: str) -> str:
    """Of what a row takes off the likelihoods of titles."""
    row = row_spec(name)
    return digest(
        {
            "set": config.llm.prior,
            "users": config.finetune.validation_users,
            "asked": _prompts(config, row.soft_prompt),
            "prompt": _soft_prompt(config) if row.soft_prompt else None,
            "adapter": _finetune(config) if row.adapter else None,
            "top": config.eval.full_top,
        }
    )


def digest(recipe: Mapping[str, Any]) -> str:
    """SHA-256 of a recipe, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def identity(config: RunConfig) -> str:
    """The same for two configurations whose runs would find the same, however their settings differ."""
    whole = {
        "stages": stage_recipes(config),
        "rows": {name: row_recipe(config, name) for name in table_rows(config)},
        "answers": last_row(config),
        "eval": config.eval.model_dump(mode="json", exclude={"llm_rows"}),
        "asked": _prompts(config, False),
    }
    return digest(whole)


@functools.lru_cache(maxsize=KEPT)
def _interactions(config: RunConfig) -> str:
    """Who chose what, and what of it is learned from."""
    read = config.data.model_dump(mode="json", exclude=set(PROTOCOL | UNREAD | {"cold_share"}))
    cold = config.data.cold_share if config.data.split == "cold-items" else None
    return digest({"data": read, "split": config.data.split, "cold": cold, "seed": config.seed})


@functools.lru_cache(maxsize=KEPT)
def _teacher(config: RunConfig, name: str) -> str:
    architecture, copy = trained_teachers(config)[name]
    others = {other for other in ARCHITECTURES if other != architecture}
    own = config.teacher.model_dump(mode="json", exclude={"name", "also", "copies", *others})
    return digest({"data": _interactions(config), "architecture": architecture, "copy": copy, "teacher": own})


@functools.lru_cache(maxsize=KEPT)
def _prompts(config: RunConfig, names_teacher: bool) -> str:
    """The language model and the words in which it is asked; ``names_teacher``: the teacher's name is one of them."""
    return digest(
        {
            "data": _interactions(config),
            "words": config.data.model_dump(mode="json", include=set((PROTOCOL | UNREAD) - {"split"})),
            "llm": config.llm.model_dump(mode="json", exclude={"prior"}),
            "called": distilled_teacher(config) if names_teacher else None,
        }
    )


@functools.lru_cache(maxsize=KEPT)
def _distil(config: RunConfig) -> str:
    unread = {"prompt_run", "teacher"}
    if config.distill.prompt == "lsr" or not (config.distill.ta and config.distill.rps):
        unread |= {"weights", "ta_weight"}  # one task is not weighed
    elif config.distill.weights == "dynamic":
        unread |= {"ta_weight"}
    if not config.distill.soft_labels:
        unread |= {"temperature"}
    own = config.distill.model_dump(mode="json", exclude=unread)
    untaught = own["prompt"] == "lsr" and not own["conditional"] and not own["item_embeddings"]
    taught = None if untaught else _teacher(config, distilled_teacher(config))
    return digest({"asked": _prompts(config, True), "distil": own, "teacher": taught})


def _soft_prompt(config: RunConfig) -> str | None:
    match config.distill.prompt:
        case "none":
            return None
        case "run":
            return f"run {config.distill.prompt_run}"
        case "random":
            return digest({"llm": config.llm.name, "random": config.distill.soft_tokens, "seed": config.seed})
        case _:
            return _distil(config)


@functools.lru_cache(maxsize=KEPT)
def _finetune(config: RunConfig) -> str:
    return digest(
        {
            "asked": _prompts(config, config.distill.prompt != "none"),
            "finetune": config.finetune.model_dump(mode="json"),
            "prompt": _soft_prompt(config),
            "teacher": _teacher(config, config.teacher.name) if config.finetune.soft_labels else None,
        }
    )


@functools.lru_cache(maxsize=KEPT)
def _text(config: RunConfig) -> str:
    own = config.teacher.model_dump(mode="json", exclude={"name", "also", "copies", *ARCHITECTURES})
    return digest({"titles": _prompts(config, False), "text": own})


@functools.lru_cache(maxsize=KEPT)
def _plus(config: RunConfig) -> str:
    parts = list(trained_teachers(config)) if config.plus.teachers == "all" else [config.teacher.name]
    return digest(
        {
            "plus": config.plus.model_dump(mode="json", exclude={"enabled"}),
            "teachers": [_teacher(config, name) for name in parts],
            "text": _text(config) if config.plus.text else None,
            "llm": row_recipe(config, method_row(config)),
        }
    )
