"""Nothing of a model is ever drawn at random: what its files lack, hold in other shapes or beside it, is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from families import PACKED_FORWARD, TRANSFORMERS_FORWARD, random_model
from llm_world import CANDIDATES, HISTORY
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from test_backbones import own_logits
from test_language_model_sources import FAMILIES, Listener
from torch import Tensor
from transformers import LlamaForCausalLM, LlamaModel

from engine.config import LLMConfig
from engine.errors import StudioError
from engine.llm import Backbone, Prompts, load_backbone, load_encoder
from engine.llm.tiny import tiny_tokenizer
from engine.monitor import Monitor


def load(folder: Path, monitor: Monitor | None = None) -> Backbone:
    return load_backbone(LLMConfig(name=str(folder), dtype="float32", device="cpu"), monitor or Monitor())


def keep(model: Any, folder: Path) -> Path:
    """Save a model with the tiny models' tokenizer."""
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def of_family(name: str) -> Any:
    maker, config = FAMILIES[name]
    tokenizer = tiny_tokenizer()
    config.vocab_size, config.pad_token_id, config.eos_token_id = len(tokenizer), 0, tokenizer.eos_token_id
    torch.manual_seed(0)
    return maker(config)


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def change_config(folder: Path, **settings: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


LOST = {
    "output layer": ("llama", lambda key: key == "lm_head.weight"),
    "input embeddings": ("llama", lambda key: "embed_tokens" in key),
    "tied embeddings": ("qwen2", lambda key: "embed_tokens" in key),
    "one bias": ("qwen2", lambda key: key == "model.layers.1.self_attn.k_proj.bias"),
    "a norm": ("qwen3", lambda key: key == "model.layers.0.self_attn.q_norm.weight"),
    "final norm": ("mistral", lambda key: key == "model.norm.weight"),
    "a layer": ("llama", lambda key: "layers.1." in key),
    "decoder of T5": ("t5", lambda key: key.startswith("decoder.")),
    "relative positions of T5": ("flan-t5", lambda key: key.startswith("encoder") and "relative" in key),
    "one of mT5": ("mt5", lambda key: key == "decoder.final_layer_norm.weight"),
}


@pytest.mark.parametrize("what", LOST)
def test_lost_weights_are_named(what: str, tmp_path: Path) -> None:
    family, is_lost = LOST[what]
    folder = keep(of_family(family), tmp_path)
    lost = sorted(key for key in load_file(folder / "model.safetensors") if is_lost(key))
    assert lost
    change_weights(folder, lambda tensors: {key: value for key, value in tensors.items() if key not in lost})
    with pytest.raises(StudioError, match=rf"missing from its files: .*{lost[0]}") as refused:
        load(folder)
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("family", ["t5", "mt5"])
def test_a_t5_with_an_output_layer_of_its_own_needs_it(family: str, tmp_path: Path) -> None:
    """Transformers would use its input embeddings instead, and say nothing."""
    model = of_family(family)
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    folder = keep(model, tmp_path)
    change_config(folder, tie_word_embeddings=False)
    change_weights(folder, lambda tensors: tensors | {"lm_head.weight": model.lm_head.weight.detach().clone()})
    assert torch.equal(load(folder).model.lm_head.weight, model.lm_head.weight)
    change_weights(folder, lambda tensors: {key: value for key, value in tensors.items() if key != "lm_head.weight"})
    with pytest.raises(StudioError, match="missing from its files: lm_head"):
        load(folder)


@pytest.mark.parametrize("family", [*PACKED_FORWARD, *(name for name in TRANSFORMERS_FORWARD if name != "mamba")])
def test_a_lost_weight_of_any_architecture_is_named(family: str, tmp_path: Path) -> None:
    folder = keep(random_model(*(PACKED_FORWARD | TRANSFORMERS_FORWARD)[family]), tmp_path)
    keys = sorted(key for key in load_file(folder / "model.safetensors") if ".1." in key)
    change_weights(folder, lambda tensors: {key: value for key, value in tensors.items() if key != keys[0]})
    with pytest.raises(StudioError, match="missing from its files: "):
        load(folder)


@pytest.mark.parametrize("prefix", ["module.", "llm.", "base_model.model.", "_orig_mod."])
def test_weights_under_another_prefix_are_named_with_those_missing(prefix: str, tmp_path: Path) -> None:
    folder = keep(of_family("llama"), tmp_path)
    change_weights(folder, lambda tensors: {prefix + key: value for key, value in tensors.items()})
    with pytest.raises(StudioError, match=rf"missing.*lm_head.weight.*without a place in the model are {prefix}"):
        load(folder)


def test_more_layers_in_the_configuration_than_in_the_files_are_refused(tmp_path: Path) -> None:
    folder = keep(of_family("llama"), tmp_path)
    change_config(folder, num_hidden_layers=3)
    with pytest.raises(StudioError, match=r"model.layers.2.input_layernorm.weight, .* and \d more"):
        load(folder)


@pytest.mark.parametrize(
    ("family", "settings", "said"),
    [
        ("llama", {"intermediate_size": 40}, r"mlp.down_proj.weight: \(16, 32\) instead of \(16, 40\)"),
        ("llama", {"vocab_size": 500}, r"lm_head.weight: \(\d+, 16\) instead of \(500, 16\)"),
        ("t5", {"d_ff": 40}, r"wi_0.weight: \(32, 16\) instead of \(40, 16\)"),
    ],
)
def test_other_shapes_are_refused(family: str, settings: dict[str, int], said: str, tmp_path: Path) -> None:
    folder = keep(of_family(family), tmp_path)
    change_config(folder, **settings)
    with pytest.raises(StudioError, match=rf"weights have other shapes than its config.json says, first .*{said}"):
        load(folder)


def test_biases_that_the_configuration_leaves_out_are_refused(tmp_path: Path) -> None:
    """As where Qwen2's weights are called Llama's: without them the model answers otherwise."""
    folder = keep(of_family("qwen2"), tmp_path)
    change_config(folder, model_type="llama", architectures=["LlamaForCausalLM"], attention_bias=False)
    with pytest.raises(
        StudioError, match=r"leaves no place for weights of its layers: model.layers.0.self_attn.k_proj"
    ):
        load(folder)


def test_what_is_of_no_use_is_told_and_left(tmp_path: Path) -> None:
    folder = keep(of_family("llama"), tmp_path)
    before = load(folder).model.state_dict()
    change_weights(folder, lambda tensors: tensors | {"value_head.weight": torch.ones(1, 16)})
    heard = Listener()
    after = load(folder, heard).model.state_dict()
    assert any("no place in this model and are not used: value_head.weight" in text for text in heard.said)
    assert all(torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.parametrize("family", [*FAMILIES, "gpt2", "opt", "gemma2"])
def test_whole_checkpoints_tied_ones_among_them_load_without_a_word(
    family: str, tmp_path: Path, prompts: Prompts
) -> None:
    model = of_family(family) if family in FAMILIES else random_model(*TRANSFORMERS_FORWARD[family])
    heard = Listener()
    backbone = load(keep(model, tmp_path), heard)
    assert not any("weights" in text for text in heard.said)
    own = model.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in backbone.model.state_dict().items())
    batch = backbone.embed([backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=False))])
    expected = own_logits(backbone, batch.inputs[0])
    torch.testing.assert_close(backbone.logits(backbone.answer_states(batch))[0], expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("family", ["mamba", "gpt2", "gemma2", "gpt_oss"])
def test_a_checkpoint_is_read_in_bfloat16_too(family: str, tmp_path: Path, prompts: Prompts) -> None:
    """Some architectures keep parts of themselves in float32."""
    folder = keep(random_model(*TRANSFORMERS_FORWARD[family]), tmp_path)
    answers = {}
    for dtype in ("float32", "bfloat16"):
        backbone = load_backbone(LLMConfig(name=str(folder), dtype=dtype, device="cpu"), Monitor())
        batch = backbone.embed([backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=False))])
        states = backbone.answer_states(batch)
        assert states.dtype == backbone.dtype == getattr(torch, dtype)
        likelihood = backbone.continuation_logprobs(batch, [[(5, 6), (7,)]])
        answers[dtype] = torch.cat([backbone.logits(states)[0].float(), likelihood[0]]).detach()
    exact, rounded = answers.values()
    assert float((exact - rounded).norm() / exact.norm()) < 0.2


def test_a_base_model_whose_output_layer_is_its_input_is_whole(tmp_path: Path) -> None:
    model = of_family("qwen2")
    folder = keep(model.model, tmp_path)
    backbone = load(folder)
    assert torch.equal(backbone.output_matrix(), model.model.embed_tokens.weight)


def test_a_base_model_without_its_output_layer_is_refused(tmp_path: Path) -> None:
    folder = keep(LlamaModel(of_family("llama").config), tmp_path)
    with pytest.raises(StudioError, match=r"missing from its files: lm_head.weight"):
        load(folder)


def with_adapter(folder: Path) -> None:
    """An adapter of another's making, far from zero."""
    adapted = get_peft_model(of_family("llama"), LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    adapted.save_pretrained(folder)


def test_an_adapter_beside_weights_is_told_and_not_used(tmp_path: Path) -> None:
    folder = keep(of_family("llama"), tmp_path)
    before = load(folder).model.state_dict()
    with_adapter(folder)
    heard = Listener()
    backbone = load(folder, heard)
    assert isinstance(backbone.model, LlamaForCausalLM)
    after = backbone.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert any("also holds an adapter" in text and "merge" in text for text in heard.said)


def test_an_adapter_alone_is_refused(tmp_path: Path) -> None:
    with_adapter(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "adapter_config.json").read_text()) | {"base_model_name_or_path": "some/base"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    for ask in (load, lambda folder: load_encoder(LLMConfig(name=str(folder)))):
        with pytest.raises(StudioError, match=r"holds only an adapter \(made for some/base\), no language model"):
            ask(tmp_path)


def remove_weights(folder: Path) -> Path:
    """What is refused without them is refused before they are read."""
    (folder / "model.safetensors").unlink()
    return folder


@pytest.mark.parametrize("ask", [load, lambda folder: load_encoder(LLMConfig(name=str(folder)))])
@pytest.mark.parametrize("rows", [300, 422, 423])
def test_a_tokenizer_of_larger_embeddings_is_refused(ask: Callable[[Path], Any], rows: int, tmp_path: Path) -> None:
    model = of_family("llama")
    model.resize_token_embeddings(rows)
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["quux"])
    folder = remove_weights(keep(model, tmp_path))
    tokenizer.save_pretrained(folder)
    with pytest.raises(StudioError, match=rf"tokens up to number 424, its weights only {rows} embeddings"):
        ask(folder)


def test_marks_that_no_prompt_holds_may_lie_beyond_the_embeddings(tmp_path: Path, prompts: Prompts) -> None:
    """As Gemma 3's mark for images does, in its smallest model without images; or a padding mark of one's own."""
    folder = keep(of_family("llama"), tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"], "pad_token": "<own-pad>"})
    tokenizer.save_pretrained(folder)
    backbone = load(folder)
    encoded = backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=True), 5)
    assert encoded.ids.max() < len(backbone.embedding().weight)
    assert max(backbone.encoder.ordinary) < len(backbone.embedding().weight)


@pytest.mark.parametrize("ask", [load, lambda folder: load_encoder(LLMConfig(name=str(folder)))])
def test_a_t5_that_lacks_a_token_which_prompts_need_is_refused(ask: Callable[[Path], Any], tmp_path: Path) -> None:
    folder = remove_weights(keep(of_family("flan-t5"), tmp_path))
    change_config(folder, decoder_start_token_id=None)
    with pytest.raises(StudioError, match="set decoder_start_token_id there"):
        ask(folder)
    change_config(folder, decoder_start_token_id=0)
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(StudioError, match=r"no end token.*eos_token"):
        ask(folder)


def _broken(key: str, value: float, place: int) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    def change(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        tensors[key].view(-1)[place] = value
        return tensors

    return change


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["model.embed_tokens.weight", "model.layers.1.mlp.up_proj.weight", "model.norm.weight"])
def test_a_single_weight_that_is_no_number_is_found(key: str, value: float, tmp_path: Path) -> None:
    """Even that of a word which no prompt has."""
    folder = keep(of_family("llama"), tmp_path)
    change_weights(folder, _broken(key, value, -1))
    with pytest.raises(StudioError, match=f"no numbers: {key}"):
        load(folder)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_file_of_zeros_is_no_model(family: str, tmp_path: Path) -> None:
    folder = keep(of_family(family), tmp_path)
    change_weights(folder, lambda tensors: {key: torch.zeros_like(value) for key, value in tensors.items()})
    with pytest.raises(StudioError, match="all embeddings of this model are 0"):
        load(folder)


CODED = {"llama": "down_proj.weight", "gpt2": "c_proj.weight"}


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.int32])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_codes_are_not_taken_for_weights(family: str, dtype: torch.dtype, tmp_path: Path) -> None:
    """Of a quantised checkpoint whose configuration was lost."""
    model = of_family("llama") if family == "llama" else random_model(*TRANSFORMERS_FORWARD[family])
    folder = keep(model, tmp_path)
    (key,) = (key for key in load_file(folder / "model.safetensors") if "1.mlp" in key and key.endswith(CODED[family]))
    change_weights(folder, lambda tensors: tensors | {key: tensors[key].to(dtype)})
    with pytest.raises(StudioError, match=f"stored as codes, .*: {key}"):
        load(folder)


def test_of_whole_weights_and_parts_it_is_said_which_are_used(tmp_path: Path) -> None:
    folder = keep(of_family("llama"), tmp_path)
    (folder / "model.safetensors.index.json").write_text('{"metadata": {}, "weight_map": {}}')
    listener = Listener()
    load(folder, listener)
    assert any("also holds weights in parts" in said for said in listener.said)
