"""Stage 1 as a whole: only the soft prompt learns, it does learn, and an interruption changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stage_world import KINDS, Recorder, World, cancelled, checkpoint_in, make_world, same, snapshot

from engine.distill import distil
from engine.distill.stage import DistilStage, part_users
from engine.llm.soft_prompt import SoftPrompt
from engine.questions import Questions

every_kind = pytest.mark.parametrize(("family", "verbalizer"), KINDS)


def run(world: World, folder: Path, recorder: Recorder | None = None) -> SoftPrompt:
    recorder = recorder or Recorder()
    return distil(
        world.config, world.dataset, world.split, world.teacher, world.backbone, checkpoint_in(folder), recorder
    )


def stage(world: World) -> DistilStage:
    return DistilStage(world.config, world.dataset, world.split, world.teacher, world.backbone)


@every_kind
def test_only_the_soft_prompt_changes(tmp_path: Path, family: str, verbalizer: str) -> None:
    world = make_world(f"llm.verbalizer={verbalizer}", family=family)
    before = snapshot(world.backbone)
    trained = stage(world)
    first = trained.soft_prompt.weight.detach().clone()
    for step in range(2):
        trained.train_step(step)
    assert not torch.equal(trained.soft_prompt.weight, first)
    after = snapshot(world.backbone)
    assert before.keys() == after.keys()
    assert same(list(before.values()), list(after.values()))
    assert all(parameter.grad is None for parameter in world.backbone.parameters())


@pytest.mark.parametrize("family", ["causal", "seq2seq"])
def test_losses_fall_on_users_that_were_kept_out(tmp_path: Path, family: str) -> None:
    world = make_world("distill.steps=48", "distill.validate_every=48", "distill.lr=0.2", family=family)
    recorder = Recorder()
    run(world, tmp_path, recorder)
    for task in ("ta", "rps"):
        before, after = recorder.curve(f"validation.loss.{task}")
        assert after < before - 0.08, task


def test_result_is_frozen_and_has_the_length_asked_for(tmp_path: Path) -> None:
    world = make_world("distill.soft_tokens=7")
    prompt = run(world, tmp_path)
    assert prompt.weight.shape == (7, world.backbone.width)
    assert prompt.weight.dtype == torch.float32
    assert not prompt.weight.requires_grad


@pytest.mark.parametrize("best", [0, 2, 4])
def test_best_version_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: int) -> None:
    """Whichever validation reports the best objective, its soft prompt is handed back; the untrained one included."""
    seen: dict[int, torch.Tensor] = {}

    def validate(trained: DistilStage) -> dict[str, float]:
        seen[2 * len(seen)] = trained.soft_prompt.weight.detach().clone()
        return {"objective": 1.0 if 2 * len(seen) - 2 == best else 0.0}

    monkeypatch.setattr(DistilStage, "validate", validate)
    prompt = run(make_world(), tmp_path)
    assert list(seen) == [0, 2, 4]
    assert [step for step, weight in seen.items() if torch.equal(prompt.weight, weight)] == [best]


@pytest.mark.parametrize("family", ["causal", "seq2seq"])
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_resumed_equals_uninterrupted(tmp_path: Path, family: str, stop: int) -> None:
    straight = Recorder()
    expected = run(make_world(family=family), tmp_path / "straight", straight)
    with cancelled():
        run(make_world(family=family), tmp_path / "resumed", Recorder(stop))
    second = Recorder()
    resumed = run(make_world(family=family), tmp_path / "resumed", second)
    assert torch.equal(resumed.weight, expected.weight)
    assert second.points == straight.points[-len(second.points) :]
    assert len(second.curve("lr")) == 4 - stop


def test_curves_are_named_for_the_pages(tmp_path: Path) -> None:
    recorder = Recorder()
    run(make_world(), tmp_path, recorder)
    names = {name for _, values in recorder.points for name in values}
    assert names == {
        *("loss.ta", "loss.rps", "weight.ta", "weight.rps", "lr"),
        *("validation.loss.ta", "validation.loss.rps", "validation.accuracy.ta", "validation.accuracy.rps"),
        "validation.objective",
    }
    for ta, rps in zip(recorder.curve("weight.ta"), recorder.curve("weight.rps"), strict=True):
        assert ta + rps == pytest.approx(1)


def test_gradients_are_mixed_by_the_weights() -> None:
    """With all the weight on TA, RPS leaves no trace in the step."""
    both = stage(make_world("distill.weights=fixed", "distill.ta_weight=1.0"))
    alone = stage(make_world("distill.rps=false"))
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


@pytest.mark.parametrize(("off", "left"), [("ta", "rps"), ("rps", "ta")])
def test_one_task_alone(tmp_path: Path, off: str, left: str) -> None:
    recorder = Recorder()
    run(make_world(f"distill.{off}=false"), tmp_path, recorder)
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


def test_validation_users_are_not_trained_on() -> None:
    world = make_world("distill.validation_users=3")
    trained, held_out = part_users(world.config, world.split)
    assert len(held_out) == 3
    assert sorted([*trained, *held_out]) == list(range(len(world.split.train)))
    for task in stage(world).tasks:
        assert set(task.users) == set(trained)


def test_validation_leaves_random_state_alone() -> None:
    trained = stage(make_world())
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = trained.validate()
    assert torch.equal(torch.rand(2), expected)
    assert trained.validate() == first


def test_accuracy_is_the_share_of_right_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = stage(make_world("distill.ta=false"))
    questions: Questions = trained.held_out["rps"]
    scores = np.zeros(questions.candidates.shape, dtype=np.float32)
    scores[np.arange(len(questions)), questions.labels] = [9.0, *[-9.0] * (len(questions) - 1)]
    monkeypatch.setattr(trained.scorer, "scores", lambda prompts, candidates: scores)
    assert trained.validate()["accuracy.rps"] == pytest.approx(1 / len(questions))
