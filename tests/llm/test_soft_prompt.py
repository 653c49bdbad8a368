"""The soft prompt: seeded, stored, and bound to its backbone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.errors import StudioError
from engine.llm import Backbone, SoftPrompt
from engine.llm.tiny import tiny_causal, tiny_seq2seq


def test_it_starts_from_vocabulary_embeddings_drawn_with_the_seed(backbone: Backbone) -> None:
    prompt = SoftPrompt.from_vocabulary(backbone, 6, seed=1)
    rows = backbone.embed_tokens(torch.arange(len(backbone.embedding().weight)))
    assert all((rows == vector).all(dim=1).any() for vector in prompt.weight)
    assert len(prompt) == 6
    assert torch.equal(prompt.weight, SoftPrompt.from_vocabulary(backbone, 6, seed=1).weight)
    assert not torch.equal(prompt.weight, SoftPrompt.from_vocabulary(backbone, 6, seed=2).weight)
    assert prompt.weight.requires_grad


def test_it_may_be_longer_than_the_vocabulary_and_never_holds_special_tokens() -> None:
    backbone = tiny_causal(0)
    prompt = SoftPrompt.from_vocabulary(backbone, 1000, seed=1)
    special = backbone.embedding().weight[backbone.tokenizer.all_special_ids]
    assert len(prompt) == 1000
    assert not any((special == vector).all(dim=1).any() for vector in prompt.weight)


def test_saved_and_loaded_it_is_the_same(backbone: Backbone, tmp_path: Path) -> None:
    prompt = SoftPrompt.from_vocabulary(backbone.to(torch.bfloat16), 6, seed=1)
    prompt.weight.data += 1 / 3
    prompt.save(tmp_path / "soft.safetensors")
    loaded = SoftPrompt.load(tmp_path / "soft.safetensors", backbone, 0)
    assert torch.equal(loaded.weight, prompt.weight)
    assert loaded.weight.dtype == torch.float32


def test_another_backbones_prompt_is_refused(tmp_path: Path) -> None:
    SoftPrompt.from_vocabulary(tiny_causal(0), 3, seed=0).save(tmp_path / "soft.safetensors")
    with pytest.raises(StudioError, match=r"belongs to tiny-causal, not to tiny-seq2seq .*llm.name"):
        SoftPrompt.load(tmp_path / "soft.safetensors", tiny_seq2seq(0), 0)


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_a_missing_or_damaged_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "soft.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudioError, match="no readable soft prompt"):
        SoftPrompt.load(path, tiny_causal(0), 0)
