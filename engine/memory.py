"""How much memory stage 2 takes, the hungriest part of a run: from the model's configuration, before it is loaded.

Counted are weights, what the optimizer keeps of adapters, and what forward passes keep for backward ones, of the blocks
that are adapted, all where the model computes. The factors are fitted to measured peaks of SmolLM2-135M (see
``tests/test_memory_estimate.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.config import LLMConfig, Placement, RunConfig
from engine.errors import StudioError

PROGRAM_MB = 500.0
"""Libraries, data and teachers."""
BLOCK_WIDTHS, BLOCK_INNER = 14, 5
"""Numbers kept of each token in a block: so many times its width and the width of its inner layer, and ..."""
ADAPTED = 4
"""... so many times the widths of an adapted layer's inputs and outputs."""
ADAPTER_BYTES = 32
"""For each number of an adapter: weight, gradient, master, two moments and three of the rank allocator."""
ITEM_TOKENS, OTHER_TOKENS = 12, 80
"""Generous lengths of a title and of all else in a prompt."""
WEIGHT_BYTES = {"float32": 4.0, "bfloat16": 2.0, "auto": 2.0}
PACKED_BYTES = {"8bit": 1.05, "4bit": 0.55}
"""For each number of a block's layers, scales included; embeddings stay as they are."""

ACTIVATION_BYTES = 1 << 34
"""On disk, where rows come round again in passes: 14 million tokens of SmolLM2-135M in bfloat16. Those for which there
is no room are computed whenever they are read: if they drove out others, in each pass all would be driven out before
they are read again."""
PUT_TOGETHER = 2
"""Blocks that are whole where weights are split: one, and what the processes have sent of it."""
SURE = 1.25
"""So far a configuration of an unusual kind may mislead about the size of the weights."""


@dataclass(frozen=True)
class Shape:
    """What a ``config.json`` tells of a decoder, or of an encoder and a decoder of T5's kind."""

    width: int
    inner: int
    """Width of the layer inside a block's network."""
    attention: int
    """Width of all heads of queries together."""
    shared: int
    """Of all heads of keys, or of values."""
    layers: int
    """That read the prompt."""
    others: int
    """Of a decoder that answers behind an encoder."""
    matrices: int
    """In a block's network."""
    vocabulary: int
    tied: bool

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Shape | None:
        """``facts`` as of :func:`engine.locations.model_facts`; ``None`` where the sizes are not told."""
        width, layers = facts.get("hidden_size") or facts.get("d_model"), facts.get("num_hidden_layers")
        layers, vocabulary = layers or facts.get("num_layers"), facts.get("vocab_size")
        if not (width and layers and vocabulary):
            return None
        heads = int(facts.get("num_attention_heads") or facts.get("num_heads") or 1)
        both = bool(facts.get("is_encoder_decoder"))
        size = int(facts.get("head_dim") or facts.get("d_kv") or width // heads)
        gated = str(facts.get("feed_forward_proj", "gated" if "hidden_act" in facts else "")).startswith("gated")
        return cls(
            width=int(width),
            inner=int(facts.get("intermediate_size") or facts.get("d_ff") or 4 * width),
            attention=heads * size,
            shared=int(facts.get("num_key_value_heads") or heads) * size,
            layers=int(layers),
            others=int(facts.get("num_decoder_layers") or layers) if both else 0,
            matrices=3 if gated else 2,
            vocabulary=int(vocabulary),
            tied=bool(facts.get("tie_word_embeddings", True)),
        )

    @property
    def blocks(self) -> int:
        """Numbers in the blocks' matrices."""
        seen = 2 * self.width * self.attention + 2 * self.width * self.shared
        thought = self.matrices * self.width * self.inner
        return self.layers * (seen + thought) + self.others * (2 * seen + thought)

    @property
    def embeddings(self) -> int:
        """Numbers in the embeddings, of output too where they are others."""
        return self.vocabulary * self.width * (1 if self.tied else 2)


def training_mb(config: RunConfig, facts: Mapping[str, Any], micro_batch: int | None = None) -> float | None:
    """The peak of stage 2 in MB, or of stage 1 where there is none; ``None`` where the configuration is not known.

    Args:
        micro_batch: instead of ``llm.micro_batch``.
    """
    shape = Shape.of(facts)
    if shape is None:
        return None
    number = WEIGHT_BYTES[config.llm.dtype]
    own, layers = config.finetune, shape.layers
    adapted = 0
    if own.enabled:
        layers = min(own.top_layers or layers, layers)
        adapted = sum(ends for name, ends in _linear(shape).items() if _is_adapted(name, own.targets))
    inner = BLOCK_WIDTHS * shape.width + BLOCK_INNER * shape.inner + ADAPTED * adapted
    kept = layers * (shape.width if config.llm.checkpointing else inner) + (inner if config.llm.checkpointing else 0)
    tokens = (micro_batch or config.llm.micro_batch) * prompt_tokens(config)
    adapters = ADAPTER_BYTES * own.init_r * adapted * (layers + shape.others if own.enabled else 0)
    weights = _weights_mb(config.llm, shape, config.run.placement, config.run.processes)
    return PROGRAM_MB + weights + (adapters + tokens * kept * number) / 1e6


def activations_mb(config: RunConfig, facts: Mapping[str, Any]) -> float:
    """About what stage 2 keeps on disk, in MB, of the layers below the adapters while it comes back to its prompts; 0
    where it does not, or where the configuration is not known."""
    shape, own = Shape.of(facts), config.finetune
    if shape is None or shape.others or not own.enabled or own.passes == 1 or not own.top_layers:
        return 0.0
    prompts = math.ceil(own.steps / own.passes) * own.batch_size
    taken = prompts * prompt_tokens(config) * shape.width * WEIGHT_BYTES[config.llm.dtype]
    return min(taken, ACTIVATION_BYTES) / 1e6


def refuse_too_large(
    config: LLMConfig,
    facts: Mapping[str, Any],
    there_mb: float,
    what: str,
    placement: Placement = "whole",
    processes: int = 1,
) -> None:
    """Raise :class:`StudioError` where the weights that one of the ``processes`` keeps are surely more than all memory
    of ``what``, before they are read."""
    shape = Shape.of(facts)
    if shape is not None and (weights := _weights_mb(config, shape, placement, processes)) > SURE * there_mb:
        raise StudioError(
            f"the weights of {config.name} alone take about {weights / 1000:.1f} GB, {what} has {there_mb / 1000:.1f}",
            where="llm.name",
            remedy="take a smaller model, llm.dtype=bfloat16 or llm.weights=4bit, or on GPUs another run.placement",
        )


def _weights_mb(config: LLMConfig, shape: Shape, placement: Placement, processes: int) -> float:
    number = WEIGHT_BYTES[config.dtype]
    blocks = shape.blocks * PACKED_BYTES.get(config.weights, number)
    at_once = PUT_TOGETHER * blocks / (shape.layers + shape.others)
    if placement == "offloaded":
        blocks = at_once
    elif placement == "sharded" and processes > 1:
        blocks = blocks / processes + at_once
    return (blocks + shape.embeddings * number) / 1e6


def prompt_tokens(config: RunConfig) -> int:
    """About how long a prompt of training is."""
    if config.llm.prompts == "sequence":
        return config.llm.window * ITEM_TOKENS + config.distill.soft_tokens
    items = config.data.history + config.data.candidates
    return items * ITEM_TOKENS + OTHER_TOKENS + config.distill.soft_tokens


def _linear(shape: Shape) -> dict[str, int]:
    """Widths of inputs and outputs of the layers in a block, by what most families call them."""
    network = {"gate": shape.width + shape.inner} if shape.matrices == 3 else {}
    return {
        **{"q": shape.width + shape.attention, "v": shape.width + shape.shared},
        **{"k": shape.width + shape.shared, "o": shape.attention + shape.width},
        **network,
        **{"up": shape.width + shape.inner, "down": shape.inner + shape.width},
    }


def _is_adapted(name: str, targets: tuple[str, ...]) -> bool:
    if not targets:
        return name in ("q", "v")
    return "all-linear" in targets or any(target.split("_")[0] == name for target in targets)
