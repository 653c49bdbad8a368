"""A base is checked with the first value of what varies: settings that go together may come half fixed, half varied."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from engine.config import RunConfig
from engine.errors import StudioError
from engine.experiment.files import plan_from_yaml, plan_to_yaml, search_from_yaml, search_to_yaml
from engine.experiment.parsing import read_grid
from engine.experiment.plan import expand
from engine.experiment.space import firsts, read_space
from engine.settings import flatten, load_config
from webapp.access import Access
from webapp.commands._options import chosen_base
from webapp.endpoints import Endpoints
from webapp.form import Form

HALVES = [
    (["distill.prompt=run"], "distill.prompt_run=A,B"),
    (["distill.ta=false", "distill.rps=false"], "distill.prompt=random,none"),
    (["finetune.target_r=99"], "finetune.init_r=100,120"),
    (["teacher.heads=3"], "teacher.width=48,60"),
    (["distill.teacher=caser"], "teacher.also=[caser],[caser,gru4rec]"),
    (["explain.writer_url=http://localhost:1/v1"], "explain.writer_model=a,b"),
]
"""Settings that are not usable alone, and what makes them so."""


def _file(settings: list[str], line: str) -> dict[str, Any]:
    return {"preset": "smoke", "base": dict(it.split("=") for it in settings), "vary": read_grid([line])}


def _by_form(settings: list[str], line: str) -> RunConfig:
    form = Form(load_config("smoke"))
    shown = dict(zip((it.name for it in form.settings), form.values(load_config("smoke")), strict=True))
    values = (it.split("=") for it in settings)
    return form.config([*(shown | {name: _typed(value) for name, value in values}).values()], _first(line))


def _typed(value: str) -> Any:
    return {"false": False}.get(value, int(value) if value.isdecimal() else value)


def _first(line: str) -> dict[str, Any]:
    return firsts(read_grid([line]))


DOORS: dict[str, Callable[[list[str], str], RunConfig]] = {
    "settings": lambda settings, line: load_config("smoke", overrides=settings, varied=_first(line)),
    "shell": lambda settings, line: chosen_base("smoke", None, tuple(settings), None, _first(line))[1],
    "file": lambda settings, line: RunConfig(**plan_from_yaml(json.dumps(_file(settings, line)), "file")[0].base),
    "form": _by_form,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("settings", "line"), HALVES)
def test_what_is_usable_together_with_what_varies_is_a_base(settings: list[str], line: str, door: str) -> None:
    with pytest.raises(StudioError):
        load_config("smoke", overrides=settings)
    base = DOORS[door](settings, line)
    assert base == load_config("smoke", overrides=[*settings, f"{line.partition('=')[0]}={_written(line)}"])


def _written(line: str) -> str:
    text = line.partition("=")[2]
    return text[: text.index("]") + 1] if text[0] == "[" else text.partition(",")[0]


@pytest.mark.parametrize(("settings", "line"), HALVES)
def test_every_combination_is_checked_all_the_same(settings: list[str], line: str) -> None:
    plan = plan_from_yaml(json.dumps(_file(settings, line)), "file")[0]
    assert plan_from_yaml(plan_to_yaml(plan), "file")[0] == plan
    if not line.startswith("explain"):  # who writes about recommendations makes no other run
        assert len(expand(plan)) == 2
    with pytest.raises(StudioError):
        expand(plan.model_copy(update={"vary": {**plan.vary, **_unusable(settings)}}))


def _unusable(settings: list[str]) -> dict[str, list[Any]]:
    return {settings[0].partition("=")[0]: ["no such value", "nor this"]}


def test_variants_and_ranges_complete_a_base_too() -> None:
    variants = {"A": {"distill.prompt_run": "A"}, "B": {"distill.prompt_run": "B"}}
    text = json.dumps({"preset": "smoke", "base": {"distill.prompt": "run"}, "variants": variants})
    assert [it.config.distill.prompt_run for it in expand(plan_from_yaml(text, "file")[0])] == ["A", "B"]
    text = json.dumps({"preset": "smoke", "base": {"finetune.target_r": 9}, "vary": {"finetune.init_r": "10..20"}})
    search = search_from_yaml(text, "file")[0]
    assert search.base["finetune"]["init_r"] == 10
    assert search_from_yaml(search_to_yaml(search), "file")[0] == search
    assert firsts(read_space(["finetune.lr=1e-4..1e-2"])) == {"finetune.lr": 1e-4}


def test_a_base_that_is_usable_alone_stays_as_it_stands() -> None:
    base = load_config("smoke", varied={"distill.steps": 7, "seed": 3})
    assert dict(flatten(base)) == dict(flatten(load_config("smoke")))


def test_programs_have_it_too() -> None:
    programs, asked = Endpoints(Access()), SimpleNamespace(query_params={})
    given = {"preset": "smoke", "settings": ["teacher.heads=3"], "vary": ["teacher.width=48,60"], "dry_run": True}
    assert programs.experiment(asked, **given)["size"] == 2
    given["vary"] = ["teacher.width=48,60,63"]
    assert programs.tune(asked, **given)["trials"] == 3
    with pytest.raises(StudioError, match="does not divide"):
        programs.experiment(asked, **given | {"vary": ["teacher.width=64,80"]})
