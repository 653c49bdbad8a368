"""Estimates of memory: numbers of weights are those of the models themselves, peaks those that were measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.adalora.layer import AdaLoraLayer
from stage_world import FAMILIES, make_world
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    T5Config,
    T5ForConditionalGeneration,
)

from engine.config import Placement
from engine.errors import StudioError
from engine.finetune.adalora import keep_format
from engine.llm import sources
from engine.llm.scorer import PromptScorer
from engine.llm.soft_prompt import SoftPrompt
from engine.llm.verbalizers import make_verbalizer
from engine.locations import OTHER_NAMES, SIZES
from engine.memory import ACTIVATION_BYTES, Shape, activations_mb, refuse_too_large, training_mb
from engine.monitor import Monitor
from engine.quantization import WeightFormat, check
from engine.settings import load_config
from engine.training_prompts import make_prompts

SMOLLM2 = {
    **{"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9},
    **{"num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True, "hidden_act": "silu"},
}
WIDE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
"""Of a model whose layers are quantized on processors, too."""
FLAN_T5_XL = SIZES["google/flan-t5-xl"]


def _facts(config: Any) -> dict[str, Any]:
    known = config.to_dict()
    return {usual: known[other] for other, usual in OTHER_NAMES.items() if other in known} | known


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SMOLLM2),
        LlamaConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, vocab_size=99),
        Qwen2Config(**{**SMOLLM2, "tie_word_embeddings": False}),
        T5Config(**FLAN_T5_XL),
        T5Config(d_model=64, d_ff=96, d_kv=8, num_layers=2, num_decoder_layers=3, num_heads=4, vocab_size=99),
    ],
    ids=["smollm2", "llama", "qwen2", "flan-t5-xl", "t5"],
)
def test_weights_are_counted_as_the_model_has_them(config: Any) -> None:
    """All matrices, that is; norms and biases do not count."""
    with torch.device("meta"):
        seq2seq = config.is_encoder_decoder
        model = T5ForConditionalGeneration(config) if seq2seq else AutoModelForCausalLM.from_config(config)
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "relative" not in name)
    shape = Shape.of(_facts(config))
    assert shape is not None
    assert shape.blocks + shape.embeddings == matrices


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_of_every_kind_of_backbone_are_understood(family: str) -> None:
    model = FAMILIES[family](0).model
    shape = Shape.of(_facts(model.config))
    assert shape is not None, "engine.locations.OTHER_NAMES says what configurations of this kind call their sizes"
    weights = {name: it for name, it in model.named_parameters() if not re.search("relative|position", name)}
    matrices = sum(it.numel() for it in weights.values() if it.dim() == 2)
    assert shape.blocks + shape.embeddings == matrices, "engine/memory.py counts otherwise"


@pytest.mark.parametrize(("titles", "measured"), [(9, 2000), (30, 5900)], ids=["ML-100K", "Office"])
def test_a_peak_is_about_what_was_measured(titles: int, measured: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stage 2 of quickstart with SmolLM2-135M in bf16: MB with titles of so many tokens."""
    monkeypatch.setattr("engine.memory.ITEM_TOKENS", titles)
    found = training_mb(load_config("quickstart"), SMOLLM2)
    assert found == pytest.approx(measured, rel=0.35)


def test_what_helps_is_seen_to_help() -> None:
    def peak(*overrides: str, micro_batch: int | None = None) -> float:
        found = training_mb(load_config("paper", overrides=overrides), FLAN_T5_XL, micro_batch)
        assert found is not None
        return found

    whole = peak()
    assert 6_000 < peak(micro_batch=1) < 15_000 < 25_000 < whole
    for other in ("llm.checkpointing=true", "llm.weights=4bit", "llm.micro_batch=10", "finetune.top_layers=10"):
        assert peak(other) < whole
    assert peak("llm.dtype=float32") > 1.5 * whole
    shared = [peak("run.placement=sharded", f"run.processes={count}") for count in (1, 2, 8)]
    assert whole == shared[0] > shared[1] > shared[2] > peak("run.placement=offloaded")
    assert training_mb(load_config("paper"), {"model_type": "of a kind that tells no sizes"}) is None


def test_what_fits_once_its_weights_are_split_is_not_refused() -> None:
    llm = load_config("paper").llm

    def look(placement: Placement, processes: int) -> None:
        refuse_too_large(llm, FLAN_T5_XL, 1500, "this GPU", placement, processes)

    splits: tuple[tuple[Placement, int], ...] = (("whole", 8), ("sharded", 1), ("sharded", 2))
    for placement, processes in splits:
        with pytest.raises(StudioError, match=r"llm\.weights=4bit, or on GPUs another run\.placement"):
            look(placement, processes)
    look("sharded", 8)
    look("offloaded", 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_changes_no_gradient(family: str) -> None:
    def gradient(*, again: bool) -> torch.Tensor:
        world = make_world(family=family)
        if again:
            world.backbone.checkpoint_blocks()
        soft = SoftPrompt.from_vocabulary(world.backbone, 4, 0).requires_grad_(True)
        verbalizer = make_verbalizer(world.config.llm, world.backbone, world.dataset.catalogue)
        prompt = make_prompts(world.config, world.dataset.catalogue).lsr([1, 2, 3], [4, 5, 6], soft=True)
        scorer = PromptScorer(world.backbone, verbalizer, soft)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda kept: sizes.append(kept.numel()) or kept, lambda kept: kept
        ):
            loss = scorer.logits([prompt], torch.tensor([[4, 5, 6]]).numpy()).logsumexp(1).sum()
        loss.backward()
        assert soft.weight.grad is not None
        return soft.weight.grad

    sizes: list[int] = []
    whole, kept = gradient(again=False), sum(sizes)
    sizes.clear()
    torch.testing.assert_close(gradient(again=True), whole)
    assert sum(sizes) < 0.8 * kept


def test_quantized_weights_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.quantization.find_spec", lambda _: None)
    check("full", "my-models/qwen")
    with pytest.raises(StudioError, match=r"4bit weights need .*bitsandbytes.*delrec-studio\[bitsandbytes\]"):
        check("4bit", "my-models/qwen")
    with pytest.raises(StudioError, match="tiny-causal is not quantized"):
        check("8bit", "tiny-causal")


@pytest.mark.parametrize("weights", ["8bit", "4bit"])
def test_quantized_layers_pass_gradients_back_whatever_was_asked_before(weights: WeightFormat, tmp_path: Path) -> None:
    """On a processor; where the package is not installed, there is nothing to try."""
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    world = make_world()
    model = LlamaForCausalLM(LlamaConfig(**WIDE, vocab_size=len(world.backbone.tokenizer)))
    model.save_pretrained(tmp_path)
    world.backbone.tokenizer.save_pretrained(tmp_path)
    overrides = [f"llm.name={tmp_path}", f"llm.weights={weights}", "llm.device=cpu"]
    backbone = sources.load_backbone(load_config("smoke", overrides=overrides).llm, Monitor())
    layers = [part for part in backbone.model.modules() if type(part).__module__.startswith("bitsandbytes")]
    assert layers
    for layer in layers:
        with torch.no_grad():
            weights_by_input = layer(torch.eye(layer.in_features))
        asked = torch.zeros(2, layer.in_features).requires_grad_()
        answer = layer(asked)
        assert answer.requires_grad
        (gradient,) = torch.autograd.grad(answer.sum(), asked)
        torch.testing.assert_close(gradient[0], weights_by_input.sum(1), rtol=0.05, atol=0.02)


def test_adapted_layers_with_quantized_weights_keep_the_number_format() -> None:
    class Layer(torch.nn.Module, AdaLoraLayer):
        def __init__(self, weight: torch.Tensor) -> None:
            torch.nn.Module.__init__(self)
            self.base_layer = torch.nn.Module()
            self.base_layer.weight = weight

        def forward(self, asked: torch.Tensor) -> torch.Tensor:
            return asked.float()  # as PEFT's layers of 8 bits do

    layers = torch.nn.ModuleList([Layer(torch.zeros(1, dtype=torch.int8)), Layer(torch.zeros(1))])
    keep_format(layers)
    assert [layer(torch.zeros(1, dtype=torch.bfloat16)).dtype for layer in layers] == [torch.bfloat16, torch.float32]


def test_a_model_that_does_not_fit_is_refused_before_its_weights_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_world().backbone.model.save_pretrained(tmp_path)
    make_world().backbone.tokenizer.save_pretrained(tmp_path)
    monkeypatch.setattr(sources, "memory_mb", lambda _: 0.01)
    monkeypatch.setattr(sources, "read_weights", lambda *_: pytest.fail("they were read"))
    with pytest.raises(StudioError, match=r"alone take about .* GB, this machine's cpu has 0\.0.*llm\.weights=4bit"):
        sources.load_backbone(load_config("smoke", overrides=[f"llm.name={tmp_path}"]).llm, Monitor())


def test_disk_is_wanted_for_activations_that_passes_come_back_to() -> None:
    sizes = {"hidden_size": 500, "num_hidden_layers": 30, "vocab_size": 9, "num_attention_heads": 10}
    given = ("llm.prompts=sequence", "llm.window=18", "llm.dtype=bfloat16", "distill.soft_tokens=20")
    steps = ("finetune.steps=1000", "finetune.batch_size=16", "finetune.top_layers=4")

    def wanted(*changes: str) -> float:
        return activations_mb(load_config("smoke", overrides=[*given, *steps, *changes]), sizes)

    assert wanted("finetune.passes=2") == 500 * 16 * (18 * 12 + 20) * 500 * 2 / 1e6
    assert wanted("finetune.passes=2", "finetune.steps=1000000") == ACTIVATION_BYTES / 1e6
    assert wanted("finetune.passes=1") == wanted("finetune.passes=2", "finetune.top_layers=") == 0
