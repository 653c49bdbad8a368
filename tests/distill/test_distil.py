"""Stage 1 as a whole: only the soft prompt learns, it does learn, and an interruption changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stage_world import (
    ANSWERS,
    FAMILIES,
    FORMS,
    KINDS,
    STUCK,
    Recorder,
    World,
    cancelled,
    checkpoint_in,
    make_world,
    same,
    snapshot,
    verbalizer_of,
)

from engine.config import TeacherConfig
from engine.distill import distil
from engine.distill.stage import DistilStage, part_users
from engine.errors import StudioError
from engine.llm.soft_prompt import SoftPrompt
from engine.llm.verbalizers import title_head
from engine.teachers import Teacher
from engine.training_prompts import TrainingBatch

every_kind = pytest.mark.parametrize(("family", "answers"), KINDS)


def run(world: World, folder: Path, recorder: Recorder | None = None) -> SoftPrompt:
    recorder = recorder or Recorder()
    return distil(
        world.config, world.dataset, world.split, world.teacher, world.backbone, checkpoint_in(folder), recorder
    )


def stage(world: World) -> DistilStage:
    return DistilStage(world.config, world.dataset, world.split, world.teacher, world.backbone)


@every_kind
def test_only_the_soft_prompt_and_the_head_change(tmp_path: Path, family: str, answers: str) -> None:
    world = make_world(*ANSWERS[answers], family=family)
    before = snapshot(world.backbone)
    trained = stage(world)
    first = {name: tensor.clone() for name, tensor in trained.weights().items()}
    assert (len(first) > 1) == verbalizer_of(answers).learns
    for step in range(2):
        trained.train_step(step)
    assert not [name for name, tensor in trained.weights().items() if torch.equal(tensor, first[name])]
    after = snapshot(world.backbone)
    assert before.keys() == after.keys()
    assert same(list(before.values()), list(after.values()))
    assert all(parameter.grad is None for parameter in world.backbone.parameters())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_fall_on_users_that_were_kept_out(tmp_path: Path, family: str, form: str) -> None:
    settings = {
        "candidates": ("distill.steps=48", "distill.validate_every=48", "distill.lr=0.1", "distill.soft_tokens=12"),
        "sequence": ("distill.steps=32", "distill.validate_every=32", "distill.batch_size=16"),
    }
    world = make_world(*settings[form], family=family, form=form)
    recorder = Recorder()
    run(world, tmp_path, recorder)
    for task in ("ta", "rps"):
        before, after = recorder.curve(f"validation.loss.{task}")
        assert after < before - 0.08, STUCK.format(family=family, task=task)


def test_result_is_frozen_and_has_the_length_asked_for(tmp_path: Path) -> None:
    world = make_world("distill.soft_tokens=7")
    prompt = run(world, tmp_path)
    assert prompt.weight.shape == (7, world.backbone.width)
    assert prompt.weight.dtype == torch.float32
    assert not prompt.weight.requires_grad


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("best", [0, 2, 4])
def test_best_version_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: int, form: str) -> None:
    """Whichever validation reports the best objective, its soft prompt is handed back; the untrained one included."""
    seen: dict[int, list[torch.Tensor]] = {}

    def validate(trained: DistilStage) -> dict[str, float]:
        seen[2 * len(seen)] = [tensor.clone() for tensor in trained.weights().values()]
        return {"objective": 1.0 if 2 * len(seen) - 2 == best else 0.0}

    monkeypatch.setattr(DistilStage, "validate", validate)
    prompt = run(make_world(form=form), tmp_path)
    assert list(seen) == [0, 2, 4]
    kept = [prompt.weight, *prompt.head.values()]
    assert [step for step, weights in seen.items() if same(kept, weights)] == [best]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_resumed_equals_uninterrupted(tmp_path: Path, family: str, stop: int, form: str) -> None:
    def world() -> World:
        return make_world("distill.soft_labels=true", family=family, form=form)

    straight = Recorder()
    expected = run(world(), tmp_path / "straight", straight)
    with cancelled():
        run(world(), tmp_path / "resumed", Recorder(stop))
    second = Recorder()
    resumed = run(world(), tmp_path / "resumed", second)
    assert same([resumed.weight, *resumed.head.values()], [expected.weight, *expected.head.values()])
    assert second.points == straight.points[-len(second.points) :]
    assert len(second.curve("lr")) == 4 - stop


@pytest.mark.parametrize("form", FORMS)
def test_a_conditional_prompt_learns_a_projection_and_an_interruption_changes_nothing(
    tmp_path: Path, form: str
) -> None:
    """The states may be those of another network than the teacher whose answers are learned."""
    world = make_world("distill.conditional=true", form=form)
    torch.manual_seed(1)
    network = Teacher(world.split.n_items, TeacherConfig(width=8, layers=1, heads=2, max_length=12))
    before = {name: tensor.clone() for name, tensor in network.network.state_dict().items()}

    def learn(folder: str, recorder: Recorder | None = None) -> SoftPrompt:
        backbone = make_world(form=form).backbone
        given = (world.config, world.dataset, world.split, world.teacher, backbone)
        return distil(*given, checkpoint_in(tmp_path / folder), recorder or Recorder(), network)

    expected = learn("straight")
    with cancelled():
        learn("resumed", Recorder(2))
    resumed = learn("resumed")
    assert expected.conditioner is not None
    assert resumed.conditioner is not None
    assert expected.conditioner.projection.abs().max() > 0
    assert not expected.conditioner.projection.requires_grad
    both = [[it.weight, it.conditioner.projection, *it.head.values()] for it in (expected, resumed) if it.conditioner]
    assert same(*both)
    assert same(list(before.values()), list(network.network.state_dict().values()))


def test_the_teachers_item_embeddings_are_met_by_a_head_and_an_interruption_changes_nothing(tmp_path: Path) -> None:
    world = make_world("distill.item_embeddings=true", form="sequence")
    torch.manual_seed(1)
    network = Teacher(world.split.n_items, TeacherConfig(width=8, layers=1, heads=2, max_length=12))

    def learn(folder: str, recorder: Recorder | None = None) -> SoftPrompt:
        given = (world.config, world.dataset, world.split, world.teacher, make_world(form="sequence").backbone)
        return distil(*given, checkpoint_in(tmp_path / folder), recorder or Recorder(), network)

    expected = learn("straight")
    assert torch.equal(expected.head["head.embeddings"], network.item_embeddings())
    assert expected.head["head.embedding_projection.weight"].abs().max() > 0
    with cancelled():
        learn("resumed", Recorder(2))
    resumed = learn("resumed")
    assert set(resumed.head) == set(expected.head)
    assert same([resumed.weight, *resumed.head.values()], [expected.weight, *expected.head.values()])


def test_a_teacher_without_item_embeddings_cannot_give_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world("distill.item_embeddings=true", form="sequence")
    monkeypatch.setattr(Teacher, "item_embeddings", lambda self: None)
    teacher = Teacher(world.split.n_items, TeacherConfig(width=8, layers=1, heads=2, max_length=12))
    with pytest.raises(StudioError, match=r"SASRec has no embeddings of items \(distill.item_embeddings\)"):
        distil(world.config, world.dataset, world.split, teacher, world.backbone, checkpoint_in(tmp_path), Recorder())


@pytest.mark.parametrize("form", FORMS)
def test_curves_are_named_for_the_pages(tmp_path: Path, form: str) -> None:
    recorder = Recorder()
    run(make_world(form=form), tmp_path, recorder)
    names = {name for _, values in recorder.points for name in values}
    assert names == {
        *("loss.ta", "loss.rps", "weight.ta", "weight.rps", "lr"),
        *("validation.loss.ta", "validation.loss.rps", "validation.accuracy.ta", "validation.accuracy.rps"),
        "validation.objective",
    }
    for ta, rps in zip(recorder.curve("weight.ta"), recorder.curve("weight.rps"), strict=True):
        assert ta + rps == pytest.approx(1)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_mixed_by_the_weights(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all the weight on TA, RPS leaves no trace in the step."""
    monkeypatch.setattr(title_head, "DROPOUT", 0.0)  # else tasks draw in turn
    both = stage(make_world("distill.weights=fixed", "distill.ta_weight=1.0", form=form))
    alone = stage(make_world("distill.rps=false", form=form))
    both.train_step(0)
    alone.train_step(0)
    assert torch.equal(both.soft_prompt.weight, alone.soft_prompt.weight)


def test_a_batch_in_parts_gives_the_gradient_of_the_whole() -> None:
    whole, parted = (stage(make_world("distill.batch_size=5", f"llm.micro_batch={size}")) for size in (5, 2))
    questions = whole.tasks[1].batch(0)
    assert [len(part) for part, _ in questions.parts(2)] == [2, 2, 1]
    loss, gradient = whole._gradient(questions)
    loss_in_parts, gradient_in_parts = parted._gradient(questions)
    assert loss_in_parts == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(gradient_in_parts, gradient, rtol=1e-4, atol=1e-6)


def test_what_takes_no_part_in_the_loss_has_no_gradient() -> None:
    """Weights that a verbalizer needs in stage 2 alone, say: the step is the same as without them."""
    trained, without = stage(make_world()), stage(make_world())
    trained.trainable["unused"] = torch.nn.Parameter(torch.ones(3))
    trained.train_step(0)
    without.train_step(0)
    assert torch.equal(trained.trainable["unused"], torch.ones(3))
    assert torch.equal(trained.soft_prompt.weight, without.soft_prompt.weight)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("off", "left"), [("ta", "rps"), ("rps", "ta")])
def test_one_task_alone(tmp_path: Path, off: str, left: str, form: str) -> None:
    recorder = Recorder()
    run(make_world(f"distill.{off}=false", form=form), tmp_path, recorder)
    assert recorder.curve(f"weight.{left}") == [1.0] * 4
    assert recorder.curve(f"loss.{off}") == []
    assert recorder.curve(f"validation.loss.{off}") == []


def test_trained_on_lsr_with_the_same_budget() -> None:
    """As many steps, and as many prompts in each, as TA and RPS have together."""
    world = make_world("distill.prompt=lsr", "distill.batch_size=3")
    trained = stage(world)
    (task,) = trained.tasks
    assert task.name == "lsr"
    assert len(task.batch(0)) == 6
    values = trained.train_step(0)
    assert values["weight.lsr"] == 1.0
    assert set(trained.validate()) == {"loss.lsr", "accuracy.lsr", "objective"}


@pytest.mark.parametrize("form", FORMS)
def test_validation_users_are_not_trained_on(form: str) -> None:
    world = make_world("distill.validation_users=3", form=form)
    trained, held_out = part_users(world.config, world.split)
    assert len(held_out) == 3
    assert sorted([*trained, *held_out]) == list(range(len(world.split.train)))
    for task in stage(world).tasks:
        assert set(task.users) == set(trained)


@pytest.mark.parametrize("form", FORMS)
def test_validation_leaves_random_state_alone(form: str) -> None:
    trained = stage(make_world(form=form))
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = trained.validate()
    assert torch.equal(torch.rand(2), expected)
    assert trained.validate() == first


def test_accuracy_is_the_share_of_right_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = stage(make_world("distill.ta=false"))
    questions: TrainingBatch = trained.held_out["rps"]
    scores = np.zeros(questions.candidates.shape, dtype=np.float32)
    scores[np.arange(len(questions)), questions.labels] = [9.0, *[-9.0] * (len(questions) - 1)]
    monkeypatch.setattr(trained.scorer, "scores", lambda prompts, candidates: scores)
    assert trained.validate()["accuracy.rps"] == pytest.approx(1 / len(questions))
