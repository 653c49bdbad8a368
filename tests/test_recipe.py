"""What two runs may share: a stage's recipe holds every setting that can change its result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from engine.architectures import ARCHITECTURES
from engine.config import RunConfig
from engine.config_base import Section
from engine.errors import StudioError
from engine.fields import Setting, describe
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.recipe import identity, row_recipe, stage_recipes
from engine.settings import flatten, load_config, make_config, nest
from tests.stage_world import SWITCHED_ON

OVERRIDES = (*SWITCHED_ON, "teacher.also=[caser]")
BASE = load_config("smoke", overrides=OVERRIDES)
WITHOUT_EFFECT = {
    *("data.cold_share", "distill.prompt_run", "llm.prior", "distill.teacher", "distill.ta_weight"),
    *(setting.name for setting in describe() if setting.name.startswith(("run.", "explain."))),
    *(
        setting.name
        for setting in describe()
        if setting.name.startswith(tuple(f"teacher.{name}." for name in {*ARCHITECTURES} - {"sasrec", "caser"}))
    ),
}
"""Settings of what this base does not have, or that cannot be changed alone."""
DESCRIBE = ("engine.config", "engine.stages", "engine.stage_files", "engine.rows")
"""Modules that say what a run has, and make nothing."""
OTHER: dict[str, Any] = {
    "data.dataset": "ml-100k", "data.columns": "user=u", "llm.device": "cpu", "teacher.device": "cpu",
    "finetune.targets": ["q_proj"], "teacher.also": ["gru4rec"], "eval.llm_rows": ["delrec"], "eval.users": 8,
    "distill.soft_labels": False, "plus.teachers": "all", "llm.verbalizer": "title-tokens", "distill.prompt": "none",
    "teacher.negatives": 7, "finetune.top_layers": 1, "finetune.target_r": 3, "data.min_item_interactions": 3,
    "llm.prompts": "candidates",
}  # fmt: skip


def _changed(setting: Setting, base: RunConfig = BASE) -> RunConfig:
    """``base`` with another value of one setting."""
    values = dict(flatten(base))
    now = values[setting.name]
    if setting.name in OTHER:
        other = OTHER[setting.name]
    elif setting.kind == "switch":
        other = not now
    elif setting.choices:
        other = next(choice for choice in setting.choices if choice != now)
    elif setting.kind in ("number", "whole"):
        bounded = setting.name.endswith(("steps", "share", "warmup", "dropout", "smoothing", "weight", "soft_labels"))
        other = (now or 0) / 2 + 0.07 if bounded and setting.kind == "number" else (now or 0) * 2 + (now == 0)
    else:
        other = "other"
    extra = {"llm.prompts": {"plus.enabled": False, "finetune.soft_labels": 0.0}}.get(setting.name, {})
    if setting.name == "finetune.history_dropout":
        extra = {"llm.prompts": "candidates", "plus.enabled": False, "finetune.soft_labels": 0.0}
    if setting.name == "distill.show_teacher_ranks":
        extra = {"llm.prompts": "candidates", "plus.enabled": False, "finetune.soft_labels": 0.0}
    return make_config(nest({**values, setting.name: other, **extra}))


@pytest.mark.parametrize(
    ("base", "alike", "other"),
    [
        ("distill.weights=dynamic", "distill.ta_weight=0.3", "distill.weights=fixed"),
        ("distill.weights=fixed", "distill.ta_weight=0.5", "distill.ta_weight=0.3"),
        ("distill.ta=false", "distill.weights=fixed", "distill.ta=true"),
        ("distill.rps=false", "distill.weights=fixed", "distill.rps=true"),
        ("distill.prompt=lsr", "distill.weights=fixed", "distill.prompt=distilled"),
    ],
)
def test_weights_of_tasks_count_where_two_are_weighed_by_them(base: str, alike: str, other: str) -> None:
    found = [identity(load_config("smoke", overrides=[base, *more])) for more in ((), (alike,), (other,))]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("setting", list(describe()), ids=lambda setting: setting.name)
def test_every_setting_counts_unless_it_is_named_as_without_effect(setting: Setting) -> None:
    if setting.name in WITHOUT_EFFECT:
        return
    assert identity(_changed(setting)) != identity(BASE), f"engine/recipe.py holds {setting.name} nowhere"


def _sections(model: type[BaseModel] = RunConfig, prefix: str = "") -> dict[type, str]:
    """What the names of settings in each section begin with."""
    found: dict[type, str] = {model: prefix}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= _sections(field.annotation, f"{prefix}{name}.")
    return found


class Readers(Monitor):
    """Notes the settings that are read in each stage by what works there: by ``(stage, setting)`` the modules."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage_now = ""
        self.found: dict[tuple[str, str], set[str]] = {}
        plain, sections = Section.__getattribute__, _sections()

        def read(section: Section, name: str) -> Any:
            module = sys._getframe(1).f_globals.get("__name__", "")
            making = self.stage_now and not module.startswith(DESCRIBE)
            if making and name in type(section).model_fields:
                self.found.setdefault((self.stage_now, sections[type(section)] + name), set()).add(module)
            return plain(section, name)

        monkeypatch.setattr(Section, "__getattribute__", read)

    def stage(self, name: str, state: str, **_: Any) -> None:
        self.stage_now = name if state == "running" else ""


@pytest.mark.parametrize("overrides", [(), ("distill.prompt=random",), ("distill.prompt=lsr",)])
def test_no_stage_reads_a_setting_that_its_recipe_does_not_hold(
    overrides: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else runs that differ in it would share what it makes, and a plan would take them for the same."""
    base, readers = load_config("smoke", overrides=[*OVERRIDES, *overrides]), Readers(monkeypatch)
    run_pipeline(base, tmp_path / "run", readers)
    monkeypatch.undo()

    def recipe(config: RunConfig, stage: str) -> str:
        return stage_recipes(config).get(stage) or identity(config)

    settings = {it.name: it for it in describe() if not it.name.startswith(("run.", "explain."))}
    assert {("teacher", "teacher.lr"), ("finetune", "finetune.lr"), ("evaluate", "eval.users")} <= readers.found.keys()
    for (stage, name), modules in readers.found.items():
        if name in settings and not (name == "teacher.name" and stage.startswith("teacher")):
            other = recipe(_changed(settings[name], base), stage)
            assert other != recipe(base, stage), f"{stage}: {modules} read {name}, which engine/recipe.py has to hold"


@pytest.mark.parametrize(
    ("override", "stays", "changes"),
    [
        ("distill.steps=7", ["teacher", "teacher:caser"], ["distil", "finetune", "plus"]),
        ("finetune.steps=7", ["teacher", "distil"], ["finetune", "plus"]),
        ("teacher.caser.filters=4", ["teacher", "distil", "finetune", "plus"], ["teacher:caser"]),
        ("plus.weighed_users=9", ["teacher", "distil", "finetune"], ["plus"]),
        ("eval.users=9", ["teacher", "distil", "finetune", "plus"], []),
        ("data.text=title+category", ["teacher", "teacher:caser"], ["distil", "finetune"]),
        ("data.history=3", ["teacher"], ["distil", "finetune"]),
        ("llm.name=tiny-seq2seq", ["teacher"], ["distil", "finetune"]),
        ("teacher.epochs=3", [], ["teacher", "teacher:caser", "distil", "finetune"]),
        ("seed=1", [], ["teacher", "teacher:caser", "distil", "finetune", "plus"]),
        ("distill.teacher=caser", ["teacher", "teacher:caser"], ["distil", "finetune"]),
        ("data.min_interactions=6", [], ["teacher", "distil"]),
        ("teacher.copies=2", ["teacher", "teacher:caser", "distil", "finetune", "plus"], []),
    ],
)
def test_a_setting_changes_its_stage_and_those_that_start_from_it(
    override: str, stays: list[str], changes: list[str]
) -> None:
    before = stage_recipes(BASE)
    after = stage_recipes(load_config("smoke", overrides=[*OVERRIDES, override]))
    assert [name for name in stays if before[name] != after[name]] == []
    assert [name for name in changes if before[name] == after[name]] == []


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("distill.prompt=none", ["popularity", "markov", "sasrec", "llm-zero-shot"]),
        ("distill.steps=7", ["popularity", "sasrec", "llm-zero-shot"]),
        ("finetune.steps=7", ["sasrec", "llm-zero-shot", "llm-distilled"]),
        ("finetune.enabled=false", ["sasrec", "llm-zero-shot", "llm-distilled"]),
        ("teacher.name=caser", ["popularity", "markov", "llm-zero-shot"]),
    ],
)
def test_rows_that_a_change_does_not_reach_stay(override: str, same: list[str]) -> None:
    other = load_config("smoke", overrides=["teacher.also=[caser]", override])
    assert [name for name in same if row_recipe(BASE, name) != row_recipe(other, name)] == []
    assert "delrec" in same or row_recipe(BASE, "delrec-plus") != row_recipe(other, "delrec-plus")


def test_rows_of_runs_that_name_their_teacher_are_not_shared_across_teachers() -> None:
    forms = ["teacher.also=[caser]", "distill.prompt=lsr"]
    one, other = (load_config("smoke", overrides=[*forms, f"teacher.name={name}"]) for name in ("sasrec", "caser"))
    assert stage_recipes(one)["distil"] != stage_recipes(other)["distil"]


def test_a_teacher_that_is_not_trained_cannot_be_distilled() -> None:
    with pytest.raises(StudioError, match=r"distill\.teacher=caser is not trained; name it in teacher\.also too"):
        load_config("smoke", overrides=["distill.teacher=caser"])
