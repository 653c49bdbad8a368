"""Plans: every combination once, in the order of the columns; what says nothing is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.architectures import ARCHITECTURES
from engine.errors import StudioError
from engine.experiment.files import plan_from_yaml, plan_to_yaml
from engine.experiment.parsing import make_plan, varied, written
from engine.experiment.plan import Variant, expand, label_of, of_columns, refuse_twice
from engine.experiment.templates import TEMPLATES, seeds
from engine.labels import label
from engine.settings import flatten, load_config, setting_of

SMOKE = load_config("smoke")


def _plan(*overrides: str, **given):
    return make_plan("smoke", load_config("smoke", overrides=overrides), **given)


def test_a_grid_has_every_combination_for_every_seed_and_whole_seeds_first():
    plan = _plan(vary=["teacher.name=sasrec,gru4rec", "distill.prompt=distilled,none"], seed_text="0-1,5")
    runs = expand(plan)
    assert plan.size == len(runs) == 12
    assert [run.config.seed for run in runs] == [0] * 4 + [1] * 4 + [5] * 4
    assert [(r.config.teacher.name, r.config.distill.prompt) for r in runs[:4]] == [
        *(("sasrec", "distilled"), ("sasrec", "none"), ("gru4rec", "distilled"), ("gru4rec", "none"))
    ]
    assert runs[1].label == runs[5].label == "teacher.name=sasrec, distill.prompt=none"
    assert of_columns([run.config for run in runs]) == ["teacher.name", "distill.prompt"]


class Ablation(NamedTuple):
    changes: dict[str, Any]
    lacking: tuple[str, ...]
    """Bases that do not have what it takes away, by the setting that says so."""


PROMPTS = tuple(f"distill.prompt={prompt}" for prompt in ("none", "random", "lsr", "run"))
EXTENSIONS = {"constant prompt": "distill.conditional", "without item embeddings": "distill.item_embeddings"}
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


@pytest.mark.parametrize(
    ("overrides", "given", "said"),
    [
        ([], {"vary": ["distill.steps=5,5"]}, "5 comes twice"),
        ([], {"vary": ["distill.steps=5", "distill.steps=6"]}, "varied twice"),
        ([], {"vary": ["distil.steps=5"]}, r"unknown setting 'distil.steps'.*did you mean distill.steps"),
        ([], {"vary": ["distill.steps"]}, "says no values"),
        ([], {"vary": ["distill.steps="]}, "distill.steps=.*not usable"),
        ([], {"vary": ["distill.lr=fast"]}, "distill.lr=fast: .*not usable"),
        ([], {"vary": ["seed=1,2"]}, "say --seeds"),
        ([], {"variants": [Variant(label="a", settings={"seed": 3})]}, "say --seeds"),
        ([], {"vary": ["data.dataset=synthetic,ml-100k"], "datasets": ["synthetic", "ml-100k"]}, "varies already"),
        ([], {"seed_text": "3-1"}, "names no seeds"),
        ([], {"seed_text": "1,1"}, "1 comes twice"),
        ([], {"seed_text": "0,0"}, "0 comes twice"),
        ([], {"vary": ["plus.enabled=false,false"]}, "false comes twice"),
        ([], {"seed_text": "-1"}, "names no seeds"),
        ([], {"template": "nothing"}, "unknown template 'nothing'"),
        ([], {"template": "backbones"}, "which language models"),
        ([], {"template": "numbers=3"}, "takes no values"),
        ([], {"template": "teachers=sasrec,nobody"}, "'nobody' is not usable"),
        ([], {"template": "teachers=sasrec,sasrec"}, "SASRec: it would be the same runs as 'SASRec'"),
        ([], {"template": "ablations=nobody"}, "'nobody' is not usable"),
        ([], {"template": "ablations=caser,sasrec"}, "prompt of SASRec: it would be the same runs as 'DELRec'"),
        (["distill.prompt=none"], {"template": "ablations=caser"}, "prompt of Caser: there is no .*prompt=none"),
        ([], {"template": "ablations", "vary": ["distill.prompt=none,lsr"]}, "over which the grid varies too"),
        (["distill.prompt=none"], {"vary": ["distill.ta=true,false"]}, "would be the same runs as"),
        (["plus.enabled=false"], {"vary": ["plus.weighed_users=5,6"]}, "would be the same runs as"),
        ([], {"vary": [f"distill.steps={','.join(map(str, range(1, 201)))}"], "seed_text": "0-499"}, "more than an"),
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused(overrides, given, said):
    with pytest.raises(StudioError, match=said):
        expand(_plan(*overrides, **given))


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
@pytest.mark.parametrize(("prompt", "learns"), [("distilled", True), ("lsr", True), ("random", False)])
def test_an_extension_of_stage_1_is_compared_with_none(prompt, learns, without):
    plan = _plan(f"{EXTENSIONS[without]}=true", f"distill.prompt={prompt}", template="ablations")
    assert (plan.variants[-1].label, plan.variants[-1].settings) == (without, {EXTENSIONS[without]: False})
    assert (without not in plan.left_out) == learns


def _kept(plan) -> list[str]:
    return [it.label for it in plan.variants if it.label not in plan.left_out]


def _meant(label: str) -> str:
    return "prompt of Caser" if label.startswith("prompt of ") else label


def test_a_base_without_any_part_is_refused_and_the_remedy_names_the_parts():
    with pytest.raises(StudioError) as fault:
        _plan("distill.prompt=none", "finetune.enabled=false", template="ablations")
    assert "nothing to vary" in fault.value.what
    assert all(f"{name}: there is no " in fault.value.what for name in list(ABLATIONS)[:-1])
    remedy = "start from a configuration with soft prompt (distill.prompt=distilled) or stage 2 (finetune.enabled=true)"
    assert fault.value.remedy == remedy


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
    for said, ablation in ABLATIONS.items():
        *_, (name, value) = ablation.changes.items()
        assert f"`{label_of({name: value})}`" in rows.get(said, ""), f"{said} has no such row in docs/experiments.md"
    assert all(f"`{setting}=false`" in rows[without] for without, setting in EXTENSIONS.items())
    assert len(rows) == len(ABLATIONS) + len(EXTENSIONS) + 2  # head and rule


def test_stage_2_counts_only_where_it_is_there():
    """Its validation users fit what likelihoods are discounted by, so that they count without it, too."""
    without = ("finetune.enabled=false",)
    with pytest.raises(StudioError, match="would be the same runs as"):
        expand(_plan(*without, vary=["finetune.steps=5,6"]))
    assert len(expand(_plan(*without, vary=["finetune.validation_users=5,6"]))) == 2


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("teacher.name=sasrec, gru4rec", ["sasrec", "gru4rec"]),
        ("distill.ta=true,no", [True, False]),
        ("eval.users=,20", [None, 20]),
        ("distill.lr=1e-3,0.1", [0.001, 0.1]),
        ('data.columns="user=a,item=b",user=c', ["user=a,item=b", "user=c"]),
        ("teacher.also=[caser,gru4rec],[]", [["caser", "gru4rec"], []]),
        ("teacher.also=caser,gru4rec", [["caser"], ["gru4rec"]]),
    ],
)
def test_lists_of_values_are_read_and_written(line, values):
    name, found = varied(line)
    assert found == values
    assert varied(written(name, found)) == (name, found)
    assert setting_of(name).name == name


def test_a_plan_is_written_and_read_back():
    plan = _plan(vary=["llm.batch_size=4,8"], template="ablations", seed_text="0-2")
    again, name, question = plan_from_yaml(plan_to_yaml(plan), "file")
    assert (again, name, question) == (plan, "", "")
    assert expand(again) == expand(plan)


def test_a_file_says_all_that_the_shell_can():
    text = """
        preset: smoke
        name: mine
        question: does it hold?
        base: {distill: {steps: 5}}
        vary: {teacher.name: [sasrec, gru4rec], finetune.clip: "1,2"}
        variants: {plain: {}, no prompt: {distill.prompt: none}}
        seeds: 0-1
    """
    plan, name, question = plan_from_yaml(text, "file")
    assert (name, question) == ("mine", "does it hold?")
    runs = expand(plan)
    assert len(runs) == 16
    assert runs[0].label == "plain · teacher.name=sasrec, finetune.clip=1.0"
    assert {run.config.distill.steps for run in runs} == {5}


def test_what_looks_alike_to_yaml_stays_apart():
    """By their look ``1``, ``1.0``, ``true``, ``yes`` and ``0x1`` are one key, and one value."""
    alike = ["1", "1.0", "true", "yes", "0x1", "True"]
    variants = "".join(f"{name}: {{distill.steps: {5 + place}}}, " for place, name in enumerate(alike))
    text = f"{{preset: smoke, variants: {{{variants}}}, vary: {{data.category: [{', '.join(alike)}, null]}}}}"
    plan = plan_from_yaml(text, "file")[0]
    assert [(it.label, it.settings) for it in plan.variants] == [
        (name, {"distill.steps": 5 + place}) for place, name in enumerate(alike)
    ]
    assert plan.vary == {"data.category": [*alike, None]}
    assert plan_from_yaml(plan_to_yaml(plan), "file")[0] == plan
    refuse_twice("seed", [1, True])


def test_values_are_of_the_kind_of_their_setting():
    text = """
        preset: smoke
        variants: {a: {distill.ta: off, distill.lr: 1, data.path: 007, teacher.also: [gru4rec], data.category: null}}
        vary: {distill.rps: [yes, false], finetune.clip: [1, 2.5], finetune.steps: 7}
    """
    plan = plan_from_yaml(text, "file")[0]
    (settings,) = (it.settings for it in plan.variants)
    values = {"distill.ta": False, "distill.lr": 1.0, "data.path": "007", "teacher.also": ["gru4rec"]}
    assert settings == values | {"data.category": None}
    assert plan.vary == {"distill.rps": [True, False], "finetune.clip": [1.0, 2.5], "finetune.steps": [7]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "describes no experiment"),
        ("variants:\n  [a]: {}", "this is no key .file, line 2"),
        ("x: &x {}\nvariants:\n  <<: *x", "this is no key .file, line 3"),
        ("variants: {2024-13-45: 2024-13-45}", "not understood"),
        ("vary: [", "not valid YAML"),
        ("verry: {}", "unknown key 'verry'"),
        ("preset: smoke\nvary: [a]", "not understood"),
        ("preset: smoke\nvariants: {a: 3}", "not understood"),
        ("preset: smoke\nvariants: {a: {distil.steps: 3}}", "unknown setting"),
        ("preset: none", "unknown preset"),
        ("preset: smoke\nseeds: 1\npreset: quickstart", "'preset' comes twice .*lines 1 and 3"),
        ("vary:\n  seed: [1]\n  seed: [2]", "'seed' comes twice .*lines 2 and 3"),
        ("base:\n  distill:\n    steps: 5\n    steps: 6", "'steps' comes twice .*lines 3 and 4"),
        ("variants: {a: {}, a: {}}", "'a' comes twice"),
        ("preset: smoke\nname: [a]", "the name is no text"),
        ("preset: smoke\nquestion: {a: b}", "the question is no text"),
        *(
            (f"vary: {{{name}: []}}", rf"^no value to vary over \({name}\) .*write vary as NAME")
            for name in ("distill.steps", "distill.lr", "distill.ta", "teacher.name", "data.path", "teacher.also")
        ),
        ("preset: smoke\nleft_out: [a]", "what is left out is not understood"),
        ("variants: {a: {}, b: {distill.ta: false}}\nleft_out: {aa: why}", "no variant 'aa' .*such as 'a' or 'b'"),
        (
            "variants: {a: {}}\nvary: {distill.lr: [1, 2]}\nleft_out: {a · distill.lr=3: why}",
            "no variant 'a · distill.lr=3' .*'a · distill.lr=[12].0'",
        ),
        ("template: ablations\nleft_out: {with stage 2: why}", "no variant 'with stage 2' .*'without stage 2'"),
        (
            f"vary: {{distill.steps: {[*range(1000)]}, llm.batch_size: {[*range(1, 99)]}}}\nleft_out: {{a: why}}",
            "98,000 runs",
        ),
    ],
)
def test_a_bad_file_is_refused_in_one_line(text, said):
    with pytest.raises(StudioError, match=said):
        plan_from_yaml(text, "file")


def test_variants_and_combinations_can_be_left_out_by_name():
    text = """
        preset: smoke
        vary: {distill.lr: [0.1, 0.2]}
        variants: {plain: {}, no TA: {distill.ta: false}, no prompt: {distill.prompt: none}}
        left_out: {no prompt: too simple, no TA · distill.lr=0.1: slow}
    """
    plan = plan_from_yaml(text, "file")[0]
    kept = ["plain · distill.lr=0.1", "plain · distill.lr=0.2", "no TA · distill.lr=0.2"]
    assert [run.label for run in expand(plan)] == kept
    assert plan.size == len(kept)
    with pytest.raises(StudioError, match="everything is left out"):
        expand(
            plan_from_yaml(text.replace("{no prompt: too simple, ", "{plain: a, no TA: b, no prompt: c, "), "file")[0]
        )


def test_several_data_sets_leave_the_files_of_the_first_behind():
    runs = expand(_plan("data.path=/somewhere", "data.encoding=cp1252", datasets=["synthetic", "ml-100k"]))
    assert {run.config.data.encoding for run in runs} == {"utf-8"}
    assert [(r.config.data.dataset, r.config.data.path, r.label) for r in runs] == [
        ("synthetic", None, "synthetic"), ("ml-100k", None, "ml-100k")
    ]  # fmt: skip


def test_seeds_are_read():
    assert seeds("0-2, 7") == [0, 1, 2, 7]
    assert label_of({}) == "as it stands"


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
