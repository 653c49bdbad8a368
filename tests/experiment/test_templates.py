"""Templates of plans: each run differs, and what a base cannot have is left out and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.architectures import ARCHITECTURES
from engine.errors import StudioError
from engine.experiment.files import plan_from_yaml, plan_to_yaml
from engine.experiment.parsing import make_plan
from engine.experiment.plan import expand, label_of
from engine.experiment.templates import TEMPLATES
from engine.labels import label
from engine.settings import flatten, load_config


class Extension(NamedTuple):
    has: str
    """The setting of a base that has what is left out."""
    changes: dict[str, Any]
    lacking: str
    """A base that makes nothing of it."""


EXTENSIONS = {
    "constant prompt": Extension("distill.conditional=true", {"distill.conditional": False}, "distill.prompt=random"),
    "without item embeddings": Extension(
        "distill.item_embeddings=true", {"distill.item_embeddings": False}, "distill.prompt=random"
    ),
    "without soft labels": Extension("finetune.soft_labels=0.5", {"finetune.soft_labels": 0}, "finetune.enabled=false"),
}
"""Parts beyond the paper, offered behind the others, and only to a base that has them."""
PLAIN = tuple(label_of(extension.changes) for extension in EXTENSIONS.values())
"""The smoke preset without them, to which the other ablations are offered alone."""
SMOKE = load_config("smoke", overrides=PLAIN)


def _plan(*overrides: str, **given):
    return make_plan("smoke", load_config("smoke", overrides=(*PLAIN, *overrides)), **given)


class Ablation(NamedTuple):
    changes: dict[str, Any]
    lacking: tuple[str, ...]
    """Bases that do not have what it takes away, by the setting that says so."""


PROMPTS = tuple(f"distill.prompt={prompt}" for prompt in ("none", "random", "lsr", "run"))
ABLATIONS = {
    "no prompt": Ablation({"distill.prompt": "none"}, PROMPTS[:1]),
    "untrained prompt": Ablation({"distill.prompt": "random"}, PROMPTS[:2]),
    "prompt trained on LSR": Ablation({"distill.prompt": "lsr"}, PROMPTS[:3]),
    "without TA": Ablation({"distill.ta": False}, (*PROMPTS, "distill.ta=false", "distill.rps=false")),
    "without RPS": Ablation({"distill.rps": False}, (*PROMPTS, "distill.ta=false", "distill.rps=false")),
    "without stage 2": Ablation({"finetune.enabled": False}, ("finetune.enabled=false",)),
    "prompt of Caser": Ablation(
        {"teacher.also": ["caser"], "distill.teacher": "caser"}, (*PROMPTS, "distill.teacher=caser")
    ),
}
"""All of them, in the order of the table; the template's own choice of another teacher is as good as Caser."""


GOES_WITH = {"distill.prompt=run": ("distill.prompt_run=mine",), "distill.teacher=caser": ("teacher.also=[caser]",)}
BASES = dict.fromkeys(base for it in ABLATIONS.values() for base in it.lacking)


def test_ablations_are_those_named_here_and_each_changes_what_it_says():
    runs = {run.label: run.config for run in expand(_plan(template="ablations=caser"))}
    assert list(runs) == ["DELRec", *ABLATIONS], "ABLATIONS above has a line for each, in its place"
    assert runs["DELRec"] == SMOKE
    for name, ablation in ABLATIONS.items():
        assert dict(flatten(runs[name])) == {**dict(flatten(SMOKE)), **ablation.changes}, name
        *_, (setting, value) = ablation.changes.items()
        assert label_of({setting: value}) in ablation.lacking, f"a base with the setting of {name!r} lacks its part"


@pytest.mark.parametrize(
    ("template", "said"),
    [("seeds", 3), ("seeds=1-5", 5), ("ablations", 1 + len(ABLATIONS)), ("teachers", len(ARCHITECTURES)),
     ("teachers=sasrec,caser", 2), ("backbones=tiny-causal,tiny-seq2seq", 2), ("numbers", 5)],
)  # fmt: skip
def test_every_template_gives_runs_that_differ(template, said):
    assert len(expand(_plan(template=template))) == said


def test_every_template_is_tried_here():
    assert set(TEMPLATES) == {"seeds", "ablations", "teachers", "backbones", "numbers"}


@pytest.mark.parametrize("base", ["", *BASES])
def test_ablations_that_a_base_cannot_have_are_left_out_and_told(base):
    plan = _plan(*filter(None, [base]), *GOES_WITH.get(base, ()), template="ablations", seed_text="0-1")
    left = [name for name, ablation in ABLATIONS.items() if base not in ablation.lacking]
    assert [_meant(it) for it in _kept(plan)] == ["as it stands" if base else "DELRec", *left]
    assert [_meant(it) for it in plan.left_out] == [it for it in ABLATIONS if it not in left]
    assert all(why.startswith("there is no ") and why.endswith(f"with {base}") for why in plan.left_out.values())
    assert len(expand(plan)) == plan.size == 2 * (1 + len(left))
    assert plan_from_yaml(plan_to_yaml(plan), "file")[0] == plan


@pytest.mark.parametrize("without", EXTENSIONS)
def test_a_part_beyond_the_paper_is_left_out_where_the_base_has_it(without):
    has, changes, lacking = EXTENSIONS[without]
    assert without not in [it.label for it in _plan(template="ablations").variants]
    for base, left_out in (((has,), False), ((has, "distill.prompt=lsr"), False), ((has, lacking), True)):
        plan = _plan(*base, template="ablations")
        assert (plan.variants[-1].label, plan.variants[-1].settings) == (without, changes)
        assert (without in plan.left_out) == left_out


def _kept(plan) -> list[str]:
    return [it.label for it in plan.variants if it.label not in plan.left_out]


def _meant(label: str) -> str:
    return "prompt of Caser" if label.startswith("prompt of ") else label


STARTS = {
    "distill.prompt=none": "soft prompt (distill.prompt=distilled)",
    "finetune.enabled=false": "stage 2 (finetune.enabled=true)",
}
"""What takes every part away, and what the remedy says of each."""


def test_a_base_without_any_part_is_refused_and_the_remedy_names_the_parts():
    with pytest.raises(StudioError) as fault:
        _plan(*STARTS, template="ablations")
    assert "nothing to vary" in fault.value.what
    named = [name for name in ABLATIONS if not name.startswith("prompt of ")]
    assert all(f"{name}: there is no " in fault.value.what for name in named)
    assert fault.value.remedy == f"start from a configuration with {' or '.join(STARTS.values())}"


def test_what_settings_forbid_is_left_out_of_a_template_too_unless_it_was_named():
    """Whatever the reason: here a mix of several teachers, of which the other one is no longer another."""
    base = ("teacher.also=[caser]", "plus.teachers=all")
    plan = _plan(*base, template="teachers")
    assert [it.label for it in plan.variants] == [label(name) for name in ARCHITECTURES]
    assert plan.left_out.keys() == {"Caser"}
    assert [run.label for run in expand(plan)] == _kept(plan)
    with pytest.raises(StudioError, match=r"^Caser: plus\.teachers=all needs further teachers"):
        _plan(*base, template="teachers=sasrec,caser")


def test_every_ablation_is_in_its_table():
    """By the setting that makes it, and what the docs name is a setting."""
    text = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    table = text.partition("## Ablations")[2].partition("\n\n## ")[0]
    rows = {row.split("|")[1].strip(): row.split("|")[2] for row in table.splitlines() if row.startswith("|")}
    for said, ablation in (ABLATIONS | EXTENSIONS).items():
        *_, (name, value) = ablation.changes.items()
        assert f"`{label_of({name: value})}`" in rows.get(said, ""), f"{said} has no such row in docs/experiments.md"
    assert len(rows) == len(ABLATIONS) + len(EXTENSIONS) + 2  # head and rule


@pytest.mark.parametrize(
    ("template", "vary", "base", "gone"),
    [
        ("ablations=caser", "teacher.name=sasrec,caser", (), {"prompt of Caser · teacher.name=caser"}),
        ("ablations=caser", "finetune.steps=5,6", (), {"without stage 2 · finetune.steps=6"}),
        ("ablations", "distill.soft_tokens=3,4", (), {"no prompt · distill.soft_tokens=4"}),
        ("teachers=sasrec,caser", "distill.steps=3,4", (), set()),
    ],
)
def test_a_template_leaves_out_combinations_with_the_grid_that_are_alike(template, vary, base, gone):
    plan = _plan(*base, template=template, vary=[vary], seed_text="0-1")
    assert {*plan.left_out} == gone
    assert all(why.startswith("it would be the same runs as ") for why in plan.left_out.values())
    assert len(expand(plan)) == plan.size == 2 * (2 * len(plan.variants) - len(gone))
    assert plan_from_yaml(plan_to_yaml(plan), "file")[0] == plan


def test_a_grid_that_makes_no_difference_is_refused_with_a_template_too():
    with pytest.raises(StudioError, match="would be the same runs as"):
        expand(_plan("finetune.enabled=false", template="ablations", vary=["finetune.steps=5,6"]))
