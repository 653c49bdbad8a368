"""What a process keeps of SmolLM2's weights and how long it reads: ``python tests/benchmarks/placement.py``.

By placement; two processes over gloo, each with one thread. SmolLM2 is fetched once into DELREC_HOME. Told are MB of
weights that the process holds once the model is there, and the seconds of a batch forwards and backwards, the best of
several.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

import torch
from several import together

from engine import distributed
from engine.config import LLMConfig, Placement
from engine.llm import Backbone, load_backbone
from engine.llm.backbone import Embedded
from engine.llm.placement import split_weights
from engine.monitor import Monitor

TEXTS, TOKENS, TURNS = 4, 128, 5


def held_mb(backbone: Backbone, shares: int) -> float:
    """Of the model's own parameters, and of the shares that lie elsewhere."""
    storages = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in backbone.model.parameters()}
    return (sum(storages.values()) + shares) / 1e6


def measured(placement: Placement) -> tuple[float, float]:
    backbone = load_backbone(LLMConfig(dtype="float32", device="cpu"), Monitor(), prove=False)
    shares = 0
    if placement != "whole":
        store = split_weights(backbone, torch.device("cpu"), offload=placement == "offloaded")
        shares = sum(m.to_local().nbytes for block in store.blocks for m in block.weights)  # type: ignore[operator]
    backbone.prove()
    seconds = []
    for _ in range(TURNS):
        ids = torch.arange(TEXTS * TOKENS).view(TEXTS, TOKENS) + distributed.rank()
        inputs = backbone.embedding()(ids).detach().requires_grad_()
        began = time.perf_counter()
        backbone.answer_states(Embedded(inputs, torch.full((TEXTS,), TOKENS))).sum().backward()
        seconds.append(time.perf_counter() - began)
    return held_mb(backbone, shares), min(seconds)


def main() -> None:
    cases: tuple[tuple[Placement, int], ...] = (("whole", 1), ("offloaded", 1), ("whole", 2), ("sharded", 2))
    for placement, count in cases:
        for rank, (mb, seconds) in enumerate(together(count, lambda placement=placement: measured(placement))):  # type: ignore[misc]
            print(f"{placement}, process {rank + 1} of {count}: {mb:.0f} MB of weights, {seconds:.2f} s a batch")


if __name__ == "__main__":
    main()
