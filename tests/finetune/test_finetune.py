"""Stage 2 as a whole: the adapter learns, all else stays, and an interruption changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

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
    base_weights,
    cancelled,
    checkpoint_in,
    is_blind,
    make_world,
    same,
    snapshot,
    verbalizer_of,
)

from engine.distill import random_prompt
from engine.finetune import finetune
from engine.finetune.stage import FinetuneStage
from engine.llm.backbone import Backbone
from engine.llm.causal import CausalBackbone

every_kind = pytest.mark.parametrize(("family", "answers"), KINDS)
families = pytest.mark.parametrize("family", list(FAMILIES))


def run(world: World, folder: Path, recorder: Recorder | None = None) -> list[torch.Tensor]:
    """Everything that the stage has learned, the adapter first."""
    recorder, teacher = recorder or Recorder(), world.teacher
    prompt = random_prompt(world.config, world.backbone)
    head = finetune(
        world.config, world.dataset, world.split, world.backbone, prompt, teacher, checkpoint_in(folder), recorder
    )
    return [*adapter(world.backbone), *head.values()]


def adapter(backbone: Backbone) -> list[torch.Tensor]:
    return [tensor for name, tensor in snapshot(backbone).items() if "lora_" in name]


@every_kind
def test_only_the_adapter_and_the_head_change_and_all_of_them_does(family: str, answers: str) -> None:
    # Enough steps that no rank is taken away in the two looked at: what is pruned in both ends where it began.
    world = make_world(*ANSWERS[answers], "finetune.steps=40", family=family)
    prompt = random_prompt(world.config, world.backbone).requires_grad_(True)
    before = base_weights(snapshot(world.backbone))
    soft = prompt.weight.detach().clone()
    stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, prompt)
    start = {name: tensor.clone() for name, tensor in stage.weights().items()}
    heads = {name for name in start if name.startswith("head.")}
    assert bool(heads) == verbalizer_of(answers).learns
    assert {name.split(".")[-2] for name in start.keys() - heads} == {"lora_A", "lora_B", "lora_E"}
    for step in range(2):
        stage.train_step(step)
    assert same(base_weights(snapshot(world.backbone)), before)
    assert torch.equal(prompt.weight, soft)
    assert prompt.weight.grad is None
    still = [name for name, tensor in stage.weights().items() if torch.equal(tensor, start[name])]
    assert [name for name in still if not (verbalizer_of(answers).of_states and is_blind(name))] == []


@families
@pytest.mark.parametrize("form", FORMS)
def test_losses_fall(tmp_path: Path, family: str, form: str) -> None:
    settings = ("finetune.steps=80", "finetune.validate_every=80", "finetune.lr=0.02", "finetune.head_lr=0.01")
    world = make_world(*settings, family=family, form=form)
    recorder = Recorder()
    run(world, tmp_path, recorder)
    losses = recorder.curve("loss.lsr")
    assert sum(losses[-8:]) / 8 < sum(losses[:8]) / 8 - 0.3, STUCK.format(family=family, task="lsr")
    before, after = recorder.curve("validation.NDCG@10")
    assert after > before + 0.1, STUCK.format(family=family, task="lsr better")


@pytest.mark.parametrize(
    ("form", "family", "stop"),
    [
        *(("candidates", family, stop) for family in FAMILIES for stop in (0, 2, 4, 5)),
        *(("sequence", "causal", stop) for stop in (0, 2, 5)),
        *(("sequence", family, 4) for family in FAMILIES if family != "causal"),
    ],
)
def test_resumed_equals_uninterrupted(tmp_path: Path, form: str, family: str, stop: int) -> None:
    """Stops before, amid and after the allocations; the rank allocator's memory is part of what continues."""

    def world() -> World:
        shared = ("finetune.soft_labels=0.5",) if form == "sequence" else ()
        return make_world("finetune.dropout=0.2", *shared, family=family, form=form)

    straight = Recorder()
    expected = run(world(), tmp_path / "straight", straight)
    with cancelled():
        run(world(), tmp_path / "resumed", Recorder(stop))
    second = Recorder()
    resumed = run(world(), tmp_path / "resumed", second)
    assert same(resumed, expected)
    assert second.points == straight.points[-len(second.points) :]
    assert len(second.curve("lr")) == 6 - stop


def test_resumed_equals_uninterrupted_in_bf16(tmp_path: Path) -> None:
    settings = ("llm.dtype=bfloat16", "finetune.validation_users=4")

    def world() -> World:
        made = make_world(*settings)
        made.backbone.to(torch.bfloat16)
        return made

    expected = run(world(), tmp_path / "straight")
    with cancelled():
        run(world(), tmp_path / "resumed", Recorder(3))
    resumed = run(world(), tmp_path / "resumed")
    assert same(resumed, expected)
    assert {tensor.dtype for tensor in resumed} == {torch.bfloat16}


def test_ranks_meet_the_budget_exactly_in_bf16() -> None:
    """Importance is measured on the fp32 masters: in bf16 many ranks would tie at the threshold and go together."""
    world = make_world("finetune.init_r=8", "finetune.target_r=5", "finetune.validation_users=2")
    world.backbone.to(torch.bfloat16)
    stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)
    for step in range(6):
        stage.train_step(step)
        remembered = stage.adalora.allocator.exp_avg_ipt.values()
        assert all(importance.dtype == torch.float32 for importance in remembered)
        assert bool(remembered) == (step < 4), "kept until the final allocation"
    assert sum(stage.adalora.ranks().values()) == 5 * len(stage.adalora.ranks())
    scales = [parameter for name, parameter in world.backbone.named_parameters() if "ranknum" in name]
    assert scales
    assert not any(scale.requires_grad for scale in scales), "the scale is no weight to train"


def test_state_after_every_step_is_that_of_the_uninterrupted_run() -> None:
    def stage() -> FinetuneStage:
        world = make_world("finetune.steps=9", "finetune.dropout=0.2")
        return FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)

    straight = stage()
    for step in range(9):
        resumed = stage()
        resumed.load_state({name: tensor.clone() for name, tensor in straight.state().items()})
        for trained in (straight, resumed):
            torch.manual_seed(step)
            trained.train_step(step)
        expected, actual = straight.state(), resumed.state()
        assert expected.keys() == actual.keys()
        assert same(list(expected.values()), [actual[name] for name in expected]), f"step {step}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("best", [0, 3, 6])
def test_best_version_is_kept_with_its_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: int, form: str
) -> None:
    seen: dict[int, tuple[list[torch.Tensor], dict[str, int]]] = {}

    def validate(stage: FinetuneStage) -> dict[str, float]:
        step = 3 * len(seen)
        seen[step] = ([tensor.clone() for tensor in stage.weights().values()], stage.adalora.ranks())
        return {"NDCG@10": 1.0 if step == best else 0.0}

    monkeypatch.setattr(FinetuneStage, "validate", validate)
    recorder = Recorder()
    world = make_world(form=form)
    learned = run(world, tmp_path, recorder)
    assert list(seen) == [0, 3, 6]
    weights, ranks = seen[best]
    assert same(learned, weights)
    step, final = recorder.points[-1]
    assert step == best
    assert final == {f"rank.{module}": rank for module, rank in ranks.items()}
    patterns = world.backbone.model.peft_config["default"].rank_pattern
    assert {name.removesuffix(".lora_E.default"): sum(kept) for name, kept in patterns.items()} == ranks


def test_curves_are_named_for_the_pages(tmp_path: Path) -> None:
    recorder = Recorder()
    run(make_world("finetune.top_layers=1"), tmp_path, recorder)
    names = {name for _, values in recorder.points for name in values}
    assert names == {
        *("loss.lsr", "loss.orthogonality", "lr", "rank.mean", "validation.HR@1", "validation.NDCG@10"),
        *("rank.model.layers.1.self_attn.q_proj", "rank.model.layers.1.self_attn.v_proj"),
    }


def test_orthogonality_pulls_only_when_it_has_weight(tmp_path: Path) -> None:
    def distance(weight: float) -> float:
        recorder = Recorder()
        settings = ("finetune.steps=20", "finetune.clip=100.0", f"finetune.orthogonality={weight}")
        run(make_world(*settings), tmp_path / str(weight), recorder)
        return recorder.curve("loss.orthogonality")[-1]

    assert distance(5.0) < distance(0.0) - 0.1


@pytest.mark.parametrize("form", FORMS)
def test_works_without_a_soft_prompt(form: str) -> None:
    world = make_world(form=form)
    stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)
    assert all(segment.kind != "soft" for prompt in stage.task.batch(0).prompts for segment in prompt.segments)
    assert stage.train_step(0)["loss.lsr"] > 0


def test_large_batches_are_taken_in_parts() -> None:
    """Twenty prompts in pieces of eight: the loss is their mean, whatever the pieces."""
    world = make_world("finetune.batch_size=20", "finetune.dropout=0.0")
    stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)
    batch = stage.task.batch(0)
    assert [len(part) for part, _ in batch.parts(8)] == [8, 8, 4]
    with torch.no_grad():
        expected = stage.scorer.loss(batch.prompts, batch.candidates, batch.labels).item()
    assert stage.train_step(0)["loss.lsr"] == pytest.approx(expected, rel=1e-5)


def test_dropout_acts_in_training() -> None:
    def after_one_step(dropout: float, seed: int) -> list[torch.Tensor]:
        world = make_world(f"finetune.dropout={dropout}")
        stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)
        torch.manual_seed(seed)
        stage.train_step(0)
        return list(stage.weights().values())

    assert same(after_one_step(0.0, seed=1), after_one_step(0.0, seed=2))
    assert not same(after_one_step(0.5, seed=1), after_one_step(0.5, seed=2))


def test_every_batch_is_asked_as_often_as_there_are_passes() -> None:
    world = make_world("finetune.steps=12", "finetune.passes=3")
    stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)
    asked: list[list[str]] = []
    batch = stage.task.batch
    stage.task.batch = lambda step: asked.append([p.text() for p in batch(step).prompts]) or batch(step)
    for step in range(12):
        stage.train_step(step)
    first = asked[:4]
    assert len({tuple(texts) for texts in first}) == 4
    for again in (asked[4:8], asked[8:]):
        assert sorted(again) == sorted(first)
    assert asked[4:8] != first or asked[8:] != first, "in an order of its own"


@every_kind
def test_the_activation_cache_changes_nothing_but_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, answers: str
) -> None:
    settings = ("finetune.passes=2", "finetune.top_layers=1", *ANSWERS[answers])
    cached = run(make_world(*settings, family=family), tmp_path / "cached")
    monkeypatch.setattr(Backbone, "cache_activations", lambda *_, **__: None)
    monkeypatch.setattr(CausalBackbone, "cache_activations", lambda *_, **__: None)
    assert same(run(make_world(*settings, family=family), tmp_path / "read"), cached)


@pytest.mark.parametrize("form", FORMS)
def test_what_was_asked_before_does_not_pass_the_layers_below_the_adapters_again(form: str) -> None:
    world = make_world("finetune.passes=2", "finetune.top_layers=1", form=form)
    stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)
    world.backbone.prove()  # here, not when it is asked first
    passed: list[int] = []
    for number, layer in enumerate(world.backbone.layers()):
        norm = world.backbone.model.get_submodule(f"base_model.model.{layer}.input_layernorm")
        norm.register_forward_hook(lambda *_, number=number: passed.append(number))
    for step in range(6):
        stage.train_step(step)
    assert [passed.count(number) for number in range(2)] == [3, 6]


@pytest.mark.parametrize("form", FORMS)
def test_validation_passes_the_layers_below_the_adapters_once(form: str) -> None:
    """In a single pass too, in which nothing that is learned from comes round again."""
    world = make_world("finetune.passes=1", "finetune.top_layers=1", form=form)
    stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)
    world.backbone.prove()
    passed: list[int] = []
    for number, layer in enumerate(world.backbone.layers()):
        norm = world.backbone.model.get_submodule(f"base_model.model.{layer}.input_layernorm")
        norm.register_forward_hook(lambda *_, number=number: passed.append(number))

    def rows_read(ask: Callable[[], object]) -> list[int]:
        passed.clear()
        ask()
        return [passed.count(number) for number in range(2)]

    below, above = rows_read(stage.validate)
    assert below == above > 0
    for step in range(2):
        assert rows_read(lambda: stage.train_step(step)) == [1, 1]  # noqa: B023
        assert rows_read(stage.validate) == [0, above]


@pytest.mark.parametrize("stop", [2, 4])
def test_resumed_amid_a_pass_equals_uninterrupted(tmp_path: Path, stop: int) -> None:
    settings = ("finetune.passes=2", "finetune.top_layers=1")
    expected = run(make_world(*settings), tmp_path / "straight")
    with cancelled():
        run(make_world(*settings), tmp_path / "resumed", Recorder(stop))
    assert same(run(make_world(*settings), tmp_path / "resumed"), expected)


@pytest.mark.parametrize("ends", ["well", "stopped"])
def test_the_activation_cache_ends_with_the_stage(tmp_path: Path, ends: str) -> None:
    """Whoever asks afterwards may change what was taken for frozen."""
    world = make_world("finetune.passes=2", "finetune.top_layers=1")
    with contextlib.nullcontext() if ends == "well" else cancelled():
        run(world, tmp_path, None if ends == "well" else Recorder(2))
    assert world.backbone.activation_cache is None
