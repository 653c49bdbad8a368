"""The whole recipe: every teacher, backbone and verbalizer; ablations; rows; ensembles; the text recommender."""

import json
import shutil
from itertools import product

import numpy as np
import pytest
import torch

from engine.architectures import ARCHITECTURES
from engine.backbones import TINY
from engine.config import PlusConfig
from engine.default_row import chosen_row
from engine.errors import Cancelled, StudioError
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.rows import all_rows, last_row, method_row, table_rows
from engine.run_folder import RunFolder
from engine.settings import load_config
from engine.stages import stage_names
from engine.verbalizers import VERBALIZERS
from tests.pipeline_world import StopAt, finished_run, quick, read_back
from tests.stage_world import SHORT


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with finished_run(tmp_path_factory) as run:
        yield run


FORMS = (
    *(("candidates", name) for name in VERBALIZERS),
    *(("sequence", name) for name, verbalizer in VERBALIZERS.items() if verbalizer.of_states),
)
"""Of prompts, with the verbalizers that they go with."""


@pytest.mark.parametrize(
    ("teacher", "llm", "form"),
    [
        *product(["sasrec"], TINY, FORMS),
        *product(
            [name for name in ARCHITECTURES if name != "sasrec"], ["tiny-causal"], [("sequence", "title-vectors")]
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_every_teacher_backbone_form_and_verbalizer_works(tmp_path, teacher, llm, form):
    prompts, verbalizer = form
    plus = prompts == "sequence"  # what it needs
    aims = ("distill.soft_labels=false", "finetune.soft_labels=0") if prompts == "candidates" else ()
    model = (f"llm.name={llm}", f"llm.prompts={prompts}", f"llm.verbalizer={verbalizer}")
    config = quick(f"teacher.name={teacher}", *model, f"plus.enabled={plus}", *aims)
    report = run_pipeline(config, tmp_path / "run", Monitor())
    names = [model["name"] for model in report["models"]]
    llms = ["llm-zero-shot", "llm-distilled", "delrec", *(["delrec-plus"] if plus else [])]
    assert names == list(table_rows(config))
    assert {"popularity", "markov", teacher, *(["text"] if plus else []), *llms} <= set(names)
    assert [stage["name"] for stage in report["stages"]] == stage_names(config)
    for model in report["models"]:
        for section, metric in (("candidates", "HR@1"), ("full", "NDCG@10"), ("agreement", "kendall-tau")):
            estimate = model[section][metric]
            assert -1 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
    assert json.loads((tmp_path / "run/metrics.json").read_text()) == report
    assert not (tmp_path / "run/checkpoints").exists()


@pytest.mark.parametrize(
    ("overrides", "rows", "stages"),
    [
        (["distill.prompt=none"], ["llm-zero-shot", "delrec"], ["finetune"]),
        (["distill.prompt=random"], ["llm-zero-shot", "llm-distilled", "delrec"], ["finetune"]),
        (["distill.prompt=lsr"], ["llm-zero-shot", "llm-distilled", "delrec"], ["distil", "finetune"]),
        (["distill.ta=false"], ["llm-zero-shot", "llm-distilled", "delrec"], ["distil", "finetune"]),
        (["distill.rps=false"], ["llm-zero-shot", "llm-distilled", "delrec"], ["distil", "finetune"]),
        (["finetune.enabled=false"], ["llm-zero-shot", "llm-distilled"], ["distil"]),
        (["eval.llm_rows=[delrec]"], ["delrec"], ["distil", "finetune"]),
    ],
)
def test_ablations_leave_out_what_they_should(tmp_path, overrides, rows, stages):
    config = load_config("smoke", overrides=[*SHORT, "plus.enabled=false", *overrides])  # no further stage
    report = run_pipeline(config, tmp_path / "run", Monitor())
    assert [model["name"] for model in report["models"] if model["kind"] == "llm"] == rows
    assert [s["name"] for s in report["stages"] if s["name"] in ("distil", "finetune", "plus")] == stages


def test_a_step_of_stage_1_whose_only_task_has_no_question_changes_nothing_and_ends_nothing(tmp_path):
    """TA alone, of one window a step: one of a single title hides none."""
    config = quick("distill.rps=false", "distill.steps=6", "distill.validation_users=16", "finetune.enabled=false")
    run_pipeline(config.model_copy(update={"plus": PlusConfig()}), tmp_path / "run", Monitor())
    points = RunFolder.open(tmp_path / "run").curves()
    asked = {point["step"] for point in points if point["name"] == "loss.ta"}
    assert 0 < len(asked) < 6


def test_the_row_that_is_best_on_validation_users_answers_unless_the_runs_own_is_as_good(finished, monkeypatch):
    _, folder, _ = finished
    run = RunFolder(folder)
    kept = json.loads(run.validation.read_text())
    config = run.config()
    assert list(kept["rows"]) == [row for row in all_rows(config) if row not in ("llm-zero-shot", "llm-distilled")]
    assert list(kept["errors"]) == list(kept["rows"])
    assert {row for row, error in kept["errors"].items() if error == 0} >= {max(kept["rows"], key=kept["rows"].get)}
    assert f"{kept['users']} validation users" in chosen_row(run).why
    monkeypatch.setattr(run, "validation", folder / "other.json")
    last, method = last_row(config), method_row(config)
    assert chosen_row(run).row == last, "an earlier version's run"
    alike = {last: 0.3, method: 0.3}
    for rows, errors, row in (
        ({last: 0.6, method: 0.7, "sasrec": 0.8}, {last: 0.25, method: 0.15}, last),
        ({last: 0.6, method: 0.7, "sasrec": 0.8}, {last: 0.15, method: 0.15}, method),
        ({last: 0.6, method: 0.7, "sasrec": 0.8}, {last: 0.15, method: 0.05}, "sasrec"),
        ({last: 0.7, method: 0.8, "sasrec": 0.75}, alike, method),
        ({last: 0.7, "markov": 1.5, "gone": 9}, {}, "markov"),  # kept before there were errors
    ):
        run.validation.write_text(json.dumps({"users": 3, "rows": rows, "errors": errors}))
        assert chosen_row(run).row == row
        assert "3 validation users" in chosen_row(run).why
        assert ("standard error" in chosen_row(run).why) == (rows[row] < max(rows[it] for it in rows if it != "gone"))
    run.validation.write_text("{")
    with pytest.raises(StudioError, match="damaged"):
        chosen_row(run)


@pytest.mark.parametrize("teacher", ARCHITECTURES)
def test_a_conditional_prompt_goes_through_the_recipe_and_is_read_back(tmp_path, teacher):
    """Item embeddings with it: the heads of both stages keep them."""
    extended = ("distill.conditional=true", "distill.item_embeddings=true")
    run_pipeline(quick(*extended, f"teacher.name={teacher}"), tmp_path / "run", Monitor())
    models = read_back(tmp_path / "run")
    assert models.soft_prompt.conditioner.teacher.config.name == teacher
    for head in (models.soft_prompt.head, models.head):
        assert torch.equal(head["head.embeddings"], models.teacher.item_embeddings())
    taken = quick("distill.prompt=run", f"distill.prompt_run={tmp_path / 'run'}", "teacher.name=caser")
    run_pipeline(taken, tmp_path / "taken", Monitor())
    assert Models.load(tmp_path / "taken").soft_prompt.conditioner.teacher.config.name == teacher, "it brings its own"


def test_another_runs_soft_prompt_is_taken_over_and_that_run_may_go_then(tmp_path, finished):
    _, folder, _ = finished
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    config = quick("distill.prompt=run", f"distill.prompt_run={other}", "teacher.name=caser")
    with pytest.raises(Cancelled):
        run_pipeline(config, tmp_path / "run", StopAt("teacher", 1))
    shutil.rmtree(other)
    run_pipeline(config, tmp_path / "run", Monitor())
    assert (tmp_path / "run/soft_prompt.safetensors").read_bytes() == (folder / "soft_prompt.safetensors").read_bytes()
    with pytest.raises(StudioError, match=r"has no soft prompt, or was deleted \(distill.prompt_run\)"):
        run_pipeline(config, tmp_path / "late", Monitor())
    assert not RunFolder(tmp_path / "late").is_done("teacher"), "before anything is learned"


def test_further_teachers_are_rows_of_their_own_and_plus_may_learn_from_all(tmp_path):
    def run(name, *overrides):
        without = ("distill.prompt=none", "finetune.enabled=false", "llm.prompts=sequence", "plus.text=false")
        report = run_pipeline(quick("teacher.also=[caser]", *without, *overrides), tmp_path / name, Monitor())
        return {model["name"]: model for model in report["models"]}

    one, every = run("one"), run("all", "plus.teachers=all")
    assert [name for name, model in one.items() if model["kind"] == "teacher"][:3] == ["sasrec", "caser", "ensemble"]
    assert RunFolder.open(tmp_path / "one").teacher("caser").exists()
    different = [name for name in one if one[name]["candidates"] != every[name]["candidates"]]
    assert different == ["delrec-plus"]
    ranker = Models.load(RunFolder.open(tmp_path / "all"), Monitor()).ranker("delrec-plus")
    assert list(ranker.parts) == ["ensemble", "llm-zero-shot"]
    assert [teacher.name for teacher in ranker.parts["ensemble"].teachers] == ["sasrec", "caser"]


def test_the_text_recommender_is_a_part_with_a_row_and_a_file_of_its_own_or_there_is_none(tmp_path, finished):
    _, folder, report = finished
    (check,) = (it for it in report["teachers"] if it["name"] == "text")
    assert check["ndcg"] == max(
        point["value"]
        for point in RunFolder.open(folder).curves()
        if (point["stage"], point["name"]) == ("text", "validation.NDCG@10")
    )
    compared = {pair["b"] for pair in report["comparisons"] if pair["a"] == "delrec-plus"}
    assert {"sasrec", "delrec", "text"} <= compared
    run = RunFolder.open(folder)
    assert run.missing(finished=True) == []
    run.text.rename(tmp_path / "text")
    try:
        assert run.missing(finished=True) == ["text.safetensors"]
        with pytest.raises(StudioError, match=r"text\.safetensors is gone, which stage 'text' left"):
            Models.load(run, Monitor())
    finally:
        (tmp_path / "text").rename(run.text)
    without = run_pipeline(quick("plus.text=false"), tmp_path / "without", Monitor())
    assert "text" not in {row["name"] for row in (*without["models"], *without["stages"], *without["teachers"])}
    assert not RunFolder.open(tmp_path / "without").text.exists()
    assert list(Models.load(RunFolder.open(tmp_path / "without"), Monitor()).plus.catalogue) == ["sasrec", "delrec"]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ("llm.title_encoder=all-minilm-l6-v2", "title vectors of another encoder"),
        ("llm.verbalizer=title-tokens", "another verbalizer"),
    ],
)
def test_a_head_for_something_else_is_not_taken_over_with_another_runs_soft_prompt(
    tmp_path, finished, monkeypatch, changed, what
):
    config, folder, _ = finished
    assert VERBALIZERS[config.llm.verbalizer].learns
    of_several = {name: entry._replace(learns=True) for name, entry in VERBALIZERS.items()}
    monkeypatch.setattr(
        "engine.other_prompt.VERBALIZERS", of_several
    )  # one that somebody adds, as CONTRIBUTING.md says how
    taken = ("distill.prompt=run", f"distill.prompt_run={folder}", changed)
    with pytest.raises(StudioError, match=rf"a head .*for {what} \(distill.prompt_run\)"):
        run_pipeline(quick(*taken), tmp_path / "run", Monitor())
    assert not RunFolder(tmp_path / "run").is_done("teacher"), "before anything is learned"


@pytest.mark.parametrize("goes_by_items", ["head", "conditioner"])
def test_a_soft_prompt_that_goes_by_other_items_is_not_taken_over(tmp_path, goes_by_items):
    """As many of them, even: a bias or an embedding is of an item, whatever its number."""
    candidates = ("llm.prompts=candidates", "llm.verbalizer=title-tokens", "plus.enabled=false")
    form = {
        "head": ("distill.item_embeddings=true",),
        "conditioner": (*candidates, "distill.conditional=true", "distill.soft_labels=false", "finetune.soft_labels=0"),
    }[goes_by_items]
    for name in ("one", "other"):
        rows = [f"{user},{name}-{(user + n) % 20},{n}" for user in range(30) for n in range(9)]
        (tmp_path / name).mkdir()
        (tmp_path / name / "interactions.csv").write_text("\n".join(["user,item,timestamp", *rows]) + "\n")
        titles = [f"{name}-{n},{name.title()} {n}" for n in range(20)]
        (tmp_path / name / "items.csv").write_text("\n".join(["item,title", *titles]) + "\n")

    def asked(name, *more):
        files = ("data.dataset=csv", f"data.path={tmp_path / name}", "data.candidates=5", "distill.teacher_top=3")
        return quick(*files, *form, *more)

    run_pipeline(asked("one"), tmp_path / "run", Monitor())
    prompt = ("distill.prompt=run", f"distill.prompt_run={tmp_path / 'run'}")
    with pytest.raises(StudioError, match=r"goes by items, and they are others .*\(distill.prompt_run\)"):
        run_pipeline(asked("other", *prompt), tmp_path / "taken", Monitor())
    assert not RunFolder(tmp_path / "taken").is_done("teacher"), "before anything is learned"
    run_pipeline(asked("one", *prompt), tmp_path / "again", Monitor())


def test_copies_of_a_teacher_differ_and_change_nothing_but_the_ensemble(tmp_path):
    def run(name, *overrides):
        without = ("distill.prompt=none", "finetune.enabled=false", "plus.enabled=false", "eval.llm_rows=[]")
        report = run_pipeline(quick("teacher.also=[caser]", *without, *overrides), tmp_path / name, Monitor())
        return {model["name"]: model for model in report["models"]}

    once, twice = run("once"), run("twice", "teacher.copies=2")
    assert list(once) == list(twice)
    assert [name for name in once if once[name]["candidates"] != twice[name]["candidates"]] == ["ensemble"]
    models = Models.load(RunFolder.open(tmp_path / "twice"), Monitor())
    teachers = models.teachers
    assert list(teachers) == ["sasrec", "caser", "sasrec-2", "caser-2"]
    assert list(models.id_only_rankers()) == ["popularity", "markov", "caser", "sasrec-2", "caser-2"]
    first, second = (teachers[name].network.items.weight for name in ("sasrec", "sasrec-2"))
    assert not np.allclose(first.numpy(force=True), second.numpy(force=True))


def test_copies_alone_make_an_ensemble_to_learn_from(tmp_path):
    overrides = ("teacher.copies=2", "plus.teachers=all", "distill.prompt=none", "finetune.enabled=false")
    report = run_pipeline(quick(*overrides), tmp_path / "run", Monitor())
    ranked = [it["name"] for it in report["models"] if it["kind"] == "teacher"]
    assert ranked[:2] == ["sasrec", "ensemble"]
    assert "text" in ranked
