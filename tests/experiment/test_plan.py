"""Plans: every combination once, in the order of the columns; what says nothing is refused in one sentence."""

from __future__ import annotations

import pytest

from engine.errors import StudioError
from engine.experiment.files import plan_from_yaml, plan_to_yaml
from engine.experiment.parsing import make_plan, varied, written
from engine.experiment.plan import Variant, expand, label_of, of_columns, refuse_twice
from engine.experiment.templates import seeds
from engine.settings import load_config, setting_of

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
