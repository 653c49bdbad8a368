"""The adapter: what it touches, how its ranks are cut, and that it is the same when read back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from stage_world import ANSWERS, FAMILIES, KINDS, World, base_weights, is_blind, make_world, same, snapshot

from engine.config import FinetuneConfig
from engine.errors import StudioError
from engine.finetune import load_adapter, save_adapter
from engine.finetune.adalora import AdaLora, adalora_config
from engine.finetune.stage import FinetuneStage
from engine.llm.ranker import LLMRanker
from engine.llm.scorer import PromptScorer
from engine.llm.verbalizers import TitleHead, make_verbalizer
from engine.training import Tensors
from engine.training_prompts import make_prompts

every_kind = pytest.mark.parametrize(("family", "answers"), KINDS)
families = pytest.mark.parametrize("family", list(FAMILIES))


def stage(world: World) -> FinetuneStage:
    return FinetuneStage(world.config, world.dataset, world.split, world.backbone, None)


def trained(world: World, steps: int) -> FinetuneStage:
    result = stage(world)
    for step in range(steps):
        torch.manual_seed(step)
        result.train_step(step)
    return result


def scores(result: FinetuneStage) -> np.ndarray:
    return result.ranker.scores(result.examples.histories, result.candidates)


def read_back(world: World, folder: Path, head: Tensors | None = None) -> np.ndarray:
    """Scores of a fresh base model, that of ``world``, with the stored adapter and a verbalizer's head."""
    asked = stage(make_world())
    load_adapter(world.backbone, folder)
    verbalizer = make_verbalizer(world.config.llm, world.backbone, world.dataset.catalogue, world.split.popularity())
    if isinstance(verbalizer, TitleHead):
        verbalizer.take(head or {})
    scorer = PromptScorer(world.backbone, verbalizer)
    prompts = make_prompts(world.config, world.dataset.catalogue)
    ranker = LLMRanker("delrec", scorer, prompts, world.config.data.history)
    return ranker.scores(asked.examples.histories, asked.candidates)


@every_kind
def test_read_back_with_cut_ranks_it_scores_the_same(tmp_path: Path, family: str, answers: str) -> None:
    world = make_world(*ANSWERS[answers], "finetune.lr=0.05", family=family)
    result = trained(world, 6)
    result.load_weights({name: tensor.clone() for name, tensor in result.weights().items()})
    ranks = result.adalora.ranks()
    assert len(set(ranks.values())) > 1, "ranks should differ between modules"
    expected = scores(result)
    save_adapter(world.backbone, tmp_path / "adapter")
    stored = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    shapes = {name.split(".lora_E")[0]: len(tensor) for name, tensor in stored.items() if "lora_E" in name}
    assert {f"base_model.model.{module}": rank for module, rank in ranks.items()} == shapes
    fresh = make_world(*ANSWERS[answers], family=family)
    head = result.head.copied() if result.head else None
    np.testing.assert_allclose(read_back(fresh, tmp_path / "adapter", head), expected, atol=1e-4)
    with world.backbone.without_adapter():
        assert np.abs(scores(result) - expected).max() > 1e-2, "the adapter should matter"


@families
def test_weights_from_amid_the_schedule_keep_the_ranks_they_use(tmp_path: Path, family: str) -> None:
    """The best step may lie between two allocations, where singular values once cut have grown again."""
    world = make_world("finetune.steps=12", "finetune.lr=0.05", "finetune.target_r=1", family=family)
    result = stage(world)
    for step in range(4):
        result.train_step(step)
    best = {name: tensor.clone() for name, tensor in result.weights().items()}
    ranks, expected = result.adalora.ranks(), scores(result)
    for step in range(4, 12):
        result.train_step(step)
    assert sum(result.adalora.ranks().values()) < sum(ranks.values())
    result.load_weights(best)
    assert result.adalora.ranks() == ranks
    save_adapter(world.backbone, tmp_path / "adapter")
    np.testing.assert_allclose(read_back(make_world(family=family), tmp_path / "adapter"), expected, atol=1e-4)


def test_an_untrained_adapter_is_the_base_model_also_when_read_back(tmp_path: Path) -> None:
    world = make_world()
    result = stage(world)
    with world.backbone.without_adapter():
        base = scores(result)
    assert np.array_equal(scores(result), base)
    result.load_weights({name: tensor.clone() for name, tensor in result.weights().items()})
    save_adapter(world.backbone, tmp_path / "adapter")
    assert np.array_equal(read_back(make_world(), tmp_path / "adapter"), base)


@families
def test_ranks_are_cut_to_the_budget_and_stay_there(family: str) -> None:
    world = make_world("finetune.steps=10", "finetune.init_r=4", "finetune.target_r=2", family=family)
    result = stage(world)
    totals = []
    for step in range(10):
        result.train_step(step)
        totals.append(sum(result.adalora.ranks().values()))
    modules = len(result.adalora.ranks())
    blind = sum(is_blind(name) for name in result.adalora.ranks())
    assert 4 * (modules - blind) <= totals[0] <= totals[1], "the warm steps prune nothing"
    assert totals[6:] == [2 * modules] * 4, "from the final allocation on, exactly the budget"


@families
def test_the_mean_rank_that_is_told_only_falls_and_ends_at_what_is_in_use(family: str) -> None:
    result = stage(make_world("finetune.steps=10", "finetune.init_r=4", "finetune.target_r=2", family=family))
    told = [result.train_step(step)["rank.mean"] for step in range(10)]
    assert told[0] == 4
    assert told == sorted(told, reverse=True)
    assert len(set(told)) > 2, "it falls bit by bit"
    ranks = list(result.adalora.ranks().values())
    assert told[-1] == sum(ranks) / len(ranks) == 2


def test_allocation_follows_every_optimizer_step(monkeypatch: pytest.MonkeyPatch) -> None:
    result = stage(make_world())
    seen: list[tuple[int, bool]] = []
    allocate = result.adalora.peft.base_model.update_and_allocate

    def spy(step: int) -> None:
        seen.append((step, all(p.grad is not None for p in result.adalora.parameters.values())))
        allocate(step)

    monkeypatch.setattr(result.adalora.peft.base_model, "update_and_allocate", spy)
    for step in range(6):
        result.train_step(step)
    assert seen == [(step, True) for step in range(1, 7)], "by number from one, gradients still there"


@pytest.mark.parametrize("steps", [2, 3, 5, 40, 1000])
@pytest.mark.parametrize(("warm", "final"), [(0.0, 0.0), (0.2, 0.3), (0.0, 0.99), (0.98, 0.01)])
def test_schedule_always_leaves_room_to_allocate(steps: int, warm: float, final: float) -> None:
    settings = FinetuneConfig(steps=steps, warm_steps=warm, final_steps=final)
    config = adalora_config(settings, ["q_proj"])
    last = steps - config.tfinal
    assert 0 <= config.tinit < last
    assert last >= 2
    assert config.deltaT >= 1
    assert config.total_step == steps


def test_one_step_is_too_few() -> None:
    with pytest.raises(StudioError, match=r"finetune\.steps.*at least 2"):
        stage(make_world("finetune.steps=1"))


def test_two_steps_are_enough() -> None:
    result = trained(make_world("finetune.steps=2"), 2)
    assert sum(result.adalora.ranks().values()) == 2 * len(result.adalora.ranks())


def test_only_the_top_layers_are_adapted_and_nothing_below_builds_a_graph() -> None:
    world = make_world("finetune.top_layers=1")
    result = stage(world)
    assert all("layers.1." in module for module in result.adalora.ranks())
    needs_gradient: dict[str, bool] = {}
    for name, module in world.backbone.model.named_modules():
        if name.endswith(("embed_tokens", "layers.0.mlp", "layers.1.mlp")):
            module.register_forward_hook(
                lambda _module, _inputs, output, name=name: needs_gradient.update(
                    {name.rsplit("model.", 1)[-1]: output.requires_grad}
                )
            )
    batch = result.task.batch(0)
    result.scorer.loss(batch.prompts, batch.candidates, batch.labels)
    assert needs_gradient == {"embed_tokens": False, "layers.0.mlp": False, "layers.1.mlp": True}


def test_targets_by_name() -> None:
    result = stage(make_world("finetune.targets=[k_proj, down_proj]"))
    assert {module.rpartition(".")[2] for module in result.adalora.ranks()} == {"k_proj", "down_proj"}


def test_unknown_target_is_told_in_one_line() -> None:
    with pytest.raises(StudioError, match=r"no module 'query'.*finetune\.targets"):
        stage(make_world("finetune.targets=[query]"))


def test_orthogonality_is_the_mean_distance_from_orthonormal_vectors() -> None:
    world = make_world("finetune.init_r=3")
    adalora = AdaLora(world.backbone, world.config.finetune, seed=0)
    with torch.no_grad():
        for name, parameter in adalora.parameters.items():
            if "lora_E" not in name:
                parameter.copy_(torch.eye(*parameter.shape))
    assert adalora.orthogonality().item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        vectors = next(parameter for name, parameter in adalora.parameters.items() if "lora_A" in name)
        vectors[0] *= 2  # P Pᵀ - I has one entry left: 4 - 1
    count = sum("lora_E" not in name for name in adalora.parameters)
    assert adalora.orthogonality().item() == pytest.approx(3 / count)


def test_dropout_is_the_adapters_alone_and_only_within() -> None:
    world = make_world("finetune.dropout=0.5")
    adalora = AdaLora(world.backbone, world.config.finetune, seed=0)
    with adalora.dropout():
        active = {name for name, module in world.backbone.model.named_modules() if module.training}
        assert active
        assert all(name.endswith(".lora_dropout.default") for name in active)
    assert not any(module.training for module in world.backbone.model.modules())


def test_without_the_adapter_the_base_model_answers(tmp_path: Path) -> None:
    world = make_world("finetune.lr=0.05")
    base = scores(stage(make_world()))
    before = base_weights(snapshot(world.backbone))
    result = trained(world, 4)
    assert np.abs(scores(result) - base).max() > 1e-3
    with world.backbone.without_adapter():
        assert np.array_equal(scores(result), base)
    assert same(base_weights(snapshot(world.backbone)), before)


def test_starts_the_same_whatever_random_state_it_finds() -> None:
    torch.manual_seed(1)
    first = stage(make_world()).weights()
    torch.manual_seed(2)
    random.seed(2)
    second = stage(make_world()).weights()
    assert same(list(first.values()), list(second.values()))
    assert torch.initial_seed() == 2, "nor does it change that state"


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    world = make_world()
    trained(world, 6)
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "old.txt").write_text("left from before")
    save_adapter(world.backbone, folder)
    assert {path.name for path in folder.iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
    assert not (folder / "old.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    assert json.loads((folder / "adapter_config.json").read_text())["peft_type"] == "ADALORA"


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "lost weights"])
def test_an_unusable_adapter_is_told_in_one_line(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "adapter"
    if damage != "missing":
        world = make_world()
        trained(world, 6)
        save_adapter(world.backbone, folder)
    if damage == "truncated":
        weights = folder / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:200])
    if damage == "lost weights":  # PEFT would draw them at random
        weights = folder / "adapter_model.safetensors"
        tensors = load_file(weights)
        save_file({name: tensor for name, tensor in tensors.items() if name != min(tensors)}, weights)
    family = "seq2seq" if damage == "foreign" else "causal"
    with pytest.raises(StudioError, match=r"no usable adapter.*adapter") as caught:
        load_adapter(FAMILIES[family](0), folder)
    assert "\n" not in str(caught.value)
