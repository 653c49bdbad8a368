"""Weights that a process does not hold whole answer as whole ones do, in whatever order processes come to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import PACKED_FORWARD, TRANSFORMERS_FORWARD, backbone_of
from pipeline_world import StopAt
from several import together
from stage_world import CANDIDATES, QUICK, cancelled, make_world
from test_distributed import PARTS, same, steps_of
from torch import nn

from engine import distributed
from engine.backbones import STATE_SPACE
from engine.config import RunConfig
from engine.devices import refuse_unsplittable
from engine.distill.stage import DistilStage
from engine.errors import StudioError
from engine.explain.faithfulness import faithfulness
from engine.finetune.stage import FinetuneStage
from engine.llm import SoftPrompt
from engine.llm.backbone import LINEAR, Embedded
from engine.llm.placement import SplitBlocks, split_weights
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.settings import load_config

CPU = torch.device("cpu")
AGAIN = ("finetune.top_layers=1", "finetune.steps=4", "finetune.passes=4")
"""What lower blocks made of prompts is remembered."""


@pytest.mark.parametrize("family", [*PACKED_FORWARD, *TRANSFORMERS_FORWARD])
def test_every_architecture_reads_split_weights_as_whole_ones(family: str) -> None:
    """Fused projections, GPT-2's turned weights, experts: states and gradients to the last bit."""
    backbone = backbone_of(family)
    model_type = backbone.model.config.model_type
    if model_type in STATE_SPACE:
        refuse_unsplittable(family, model_type, "whole")
        with pytest.raises(StudioError, match=r"cannot be sharded: mamba kernels .*run\.placement=sharded"):
            refuse_unsplittable(family, model_type, "sharded")
        return
    prompt = torch.randint(0, 400, (2, 40), generator=torch.Generator().manual_seed(1))
    inputs = backbone.embedding()(prompt).detach().requires_grad_()

    def read() -> list[torch.Tensor]:
        states = backbone.answer_states(Embedded(inputs, torch.tensor([40, 33])))
        return [states, *torch.autograd.grad(states.pow(3).sum(), inputs)]

    def both() -> None:
        backbone.prove()
        whole = read()
        split_weights(backbone, CPU, offload=True)
        blocks = [backbone.model.get_submodule(name) for name in backbone.layers()]
        matrices = [part.weight for block in blocks for part in block.modules() if type(part) in LINEAR]
        assert matrices
        assert all(matrix.isnan().all() for matrix in matrices), "whoever reads them past their layers would see"
        assert all(matrix.untyped_storage().nbytes() <= 8 for matrix in matrices)
        backbone.prove()
        for found, expected in zip(read(), whole, strict=True):
            assert torch.equal(found, expected)

    together(1, both)


CASES = [
    pytest.param(DistilStage, "candidates", "causal", (), False, id="stage 1"),
    pytest.param(FinetuneStage, "sequence", "causal", AGAIN, False, id="stage 2, remembering"),
    pytest.param(FinetuneStage, "candidates", "seq2seq", (), True, id="stage 2, T5, checkpointing"),
]


@pytest.mark.parametrize(("stage", "form", "family", "settings", "checkpointing"), CASES)
def test_both_stages_take_the_steps_of_whole_weights(
    stage: Any, form: str, family: str, settings: tuple[str, ...], checkpointing: bool
) -> None:
    """In the memory of the host to the last bit, shared by two processes within rounding."""

    def steps(offload: bool | None) -> dict[str, Any]:
        world = make_world(*PARTS, *settings, form=form, family=family)
        if offload is not None:
            split_weights(world.backbone, CPU, offload=offload)
        if checkpointing:
            world.backbone.checkpoint_blocks()
        given = [world.config, world.dataset, world.split]
        if stage is DistilStage:
            return steps_of(DistilStage(*given, world.teacher, world.backbone))
        soft = SoftPrompt.from_vocabulary(world.backbone, 4, 0)
        return steps_of(FinetuneStage(*given, world.backbone, soft, world.teacher))

    whole = steps(None)
    np.testing.assert_equal(together(1, lambda: steps(True))[0], whole)
    first, second = together(2, lambda: steps(False))
    same(first, whole)
    np.testing.assert_equal(second, first)


@pytest.mark.parametrize("offload", [False, True])
def test_blocks_are_put_together_whoever_needs_which_when(offload: bool) -> None:
    """One process asks for many, one for few, one for none; they meet, and the first alone asks on."""
    shapes = [[(7, 4), (1, 3)], [(2, 6), (5, 5)], [(64, 8)], [(3, 3), (4, 4)]]
    numbers = np.random.default_rng(0)
    matrices = [[torch.from_numpy(numbers.normal(size=shape)).float() for shape in block] for block in shapes]

    def asked() -> int:
        own = [[nn.Parameter(matrix.clone(), requires_grad=False) for matrix in block] for block in matrices]
        blocks = SplitBlocks(own, CPU, offload=offload)

        def ask(count: int) -> None:
            order = np.random.default_rng(distributed.rank()).integers(len(matrices), size=count)
            for number in order.tolist():
                for place, matrix in enumerate(matrices[number]):
                    assert torch.equal(blocks.weight(number, place), matrix)

        ask(1)  # as a proof does
        for counts in ((20, 3, 0), (0, 5, 30)):
            ask(counts[distributed.rank()])
            assert distributed.all_gather(distributed.rank()) == list(range(distributed.world_size()))
        with distributed.main_process_first():
            ask(9 if distributed.is_main_process() else 2)
        distributed.barrier()
        held = [matrix.to_local().numel() for block in blocks.blocks for matrix in block.weights]  # type: ignore[operator]
        return sum(held)

    total = sum(matrix.numel() for block in matrices for matrix in block)
    shares = together(3, asked)
    assert sum(shares) == total
    assert max(shares) < 0.45 * total


def test_two_models_are_asked_alternately_whoever_is_at_which() -> None:
    """Their blocks are told apart in all processes, and one block is whole at a time, not one of each model."""
    numbers = np.random.default_rng(0)
    models = [[torch.from_numpy(numbers.normal(size=(rows, 3))).float() for rows in sizes] for sizes in ((4, 6), (5,))]

    def asked() -> None:
        kept: list[SplitBlocks] = []
        for model in models:
            kept.append(
                SplitBlocks([[nn.Parameter(m.clone(), requires_grad=False)] for m in model], CPU, offload=False)
            )
            kept[-1].weight(0, 0)
        order = np.random.default_rng(distributed.rank()).integers(2, size=(5, 20)[distributed.rank()])
        for which in order.tolist():
            for number, matrix in enumerate(models[which]):
                assert torch.equal(kept[which].weight(number, 0), matrix)
                whole = [type(block.weights[0]) is nn.Parameter for blocks in kept for block in blocks.blocks]
                assert sum(whole) == 1
        distributed.barrier()
        del kept[0]  # whatever was whole of it
        assert torch.equal(kept[0].weight(0, 0), models[1][0])
        distributed.barrier()

    together(2, asked)


def test_a_run_goes_on_with_its_weights_elsewhere(tmp_path: Path) -> None:
    """Begun by two that share the weights, gone on with in one that has them whole, ended by three that share them; its
    answers are explained by two."""
    settings = (*QUICK, *CANDIDATES, "finetune.dropout=0", "llm.micro_batch=1", "finetune.batch_size=3")
    config = load_config("smoke", overrides=settings)
    shared = load_config("smoke", overrides=[*settings, "run.processes=2", "run.placement=sharded"])
    expected = run_pipeline(config, tmp_path / "whole", Monitor())

    def begin(with_: RunConfig, stage: str, step: int) -> None:
        with cancelled():
            run_pipeline(with_, tmp_path / "run", StopAt(stage, step))

    together(2, lambda: begin(shared, "distil", 1))
    begin(config, "finetune", 2)
    found, beside, _ = together(3, lambda: run_pipeline(shared, tmp_path / "run", Monitor()))
    assert beside == {}
    for own, other in zip(found["models"], expected["models"], strict=True):
        assert own["name"] == other["name"]
        assert figures(own) == pytest.approx(figures(other), rel=1e-3)

    def explained() -> dict[str, object]:
        models = Models.load(tmp_path / "run")
        block = models.backbone._core().get_submodule(models.backbone.layers()[0])
        held = next(part.weight for part in block.modules() if type(part) in LINEAR)
        assert bool(held.isnan().all()) == (distributed.world_size() > 1)
        return faithfulness(models, 3, Monitor())

    first, second = together(2, explained)
    assert figures(first) == figures(second) == pytest.approx(figures(explained()), rel=1e-3)


def figures(found: Any) -> list[float]:
    """All numbers in what was measured, in their order."""
    if isinstance(found, dict | list | tuple):
        values = found.values() if isinstance(found, dict) else found
        return [number for value in values for number in figures(value)]
    return [float(found)] if isinstance(found, int | float) else []


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            "run.placement=sharded llm.weights=4bit",
            r"llm\.weights=4bit goes with run\.placement=whole, not with sharded",
        ),
        ("run.placement=offloaded llm.weights=8bit", r"llm\.weights=8bit goes with run\.placement=whole"),
        ("run.placement=offloaded llm.device=cpu", r"a GPU reads, not for llm\.device=cpu"),
        ("run.placement=sharded", r"nobody to share the weights with .*run\.processes to at least 2"),
        ("run.placement=offloaded", r"offloaded from a GPU, .*machine's cpu"),
    ],
)
def test_what_cannot_be_split_is_refused_before_any_work(
    overrides: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(StudioError, match=said):
        run_pipeline(load_config("smoke", overrides=overrides.split()), tmp_path / "run", Monitor())
    assert not (tmp_path / "run").exists()


def test_a_model_without_linear_layers_in_its_blocks_is_refused() -> None:
    backbone = backbone_of("llama")
    for name in backbone.layers():
        for part in list(backbone.model.get_submodule(name).modules()):
            for child, module in part.named_children():
                if type(module) in LINEAR:
                    setattr(part, child, type("Own", (nn.Linear,), {})(module.in_features, module.out_features))
    with pytest.raises(StudioError, match=r"no linear layers whose weights .*run\.placement=whole"):
        split_weights(backbone, CPU, offload=True)
