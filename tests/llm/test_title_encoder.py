"""An encoder of sentences may read titles in the language model's place: from a folder, with all of its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from engine.errors import StudioError
from engine.llm import load_backbone
from engine.llm.tiny import tiny_tokenizer
from engine.llm.title_encoder import TitleEncoder
from engine.llm.title_vectors import mean_states, title_vectors
from engine.monitor import Monitor
from engine.settings import load_config

TITLES = tuple(f"movie {letter}" for letter in "ABCDEFGHIJ")
WIDTH = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    BertModel(config).save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def load(folder: Path | str) -> object:
    return load_backbone(load_config("smoke", overrides=[f"llm.title_encoder={folder}"]).llm, Monitor())


def test_a_titles_mean_state_does_not_depend_on_its_company(folder: Path) -> None:
    encoder = TitleEncoder(folder, "mine")
    together = encoder.read(["movie A", "a game of many words and movie B", "movie A"])
    assert together.shape == (3, WIDTH)
    torch.testing.assert_close(together[0], encoder.read(["movie A"])[0], atol=1e-5, rtol=1e-4)
    assert torch.equal(together[0], together[2])
    assert (together[0] - together[1]).abs().max() > 1e-3
    assert encoder.read([]).shape == (0, WIDTH)


def test_it_reads_titles_in_the_models_place_and_belongs_to_the_runs_record(folder: Path) -> None:
    backbone, plain = load(folder), load("")
    torch.testing.assert_close(mean_states(backbone, TITLES), TitleEncoder(folder, "mine").read(TITLES))
    ours, own = (title_vectors(it, TITLES, len(TITLES)) for it in (backbone, plain))
    assert not torch.equal(ours, own), "kept apart on the disk as well"
    assert torch.equal(title_vectors(load(folder), TITLES, len(TITLES)), ours)
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor + 0.1 for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(StudioError, match="other title encoder"):
        backbone.record.check(load(folder).record, "tiny-causal")


def test_one_that_lacks_weights_is_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.attention.self.query.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(StudioError, match=r"lacks weights: encoder\.layer\.1"):
        load(folder)


def test_pickled_weights_are_not_read(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(StudioError, match="cannot be read as an encoder"):
        load(folder)


@pytest.mark.parametrize("name", ["nothing-such", "a b/c", "/nowhere/at/all"])
def test_an_unknown_one_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(StudioError, match=r"unknown encoder .*llm\.title_encoder.*all-minilm-l6-v2"):
        load(name)
