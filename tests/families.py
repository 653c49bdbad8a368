"""Tiny random models of many architectures, their windows and other bounds shorter than the prompts of the tests."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from engine.llm.causal import CausalBackbone
from engine.llm.tiny import tiny_tokenizer

WINDOW = 20
WIDTH = 32
_SIZES: dict[str, Any] = {"hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 3}
_LIKE_LLAMA = _SIZES | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
_WINDOW = {"sliding_window": WINDOW}
_SLIDING = _LIKE_LLAMA | _WINDOW
_ONE_HEAD_SIZE = _SIZES | {"num_attention_heads": 4, "num_key_value_heads": 2}
_OLD = {"n_embd": WIDTH, "n_layer": 3, "n_head": 4, "n_positions": 512}

PACKED_FORWARD: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", _LIKE_LLAMA),
    "mistral": ("mistral", _LIKE_LLAMA | {"sliding_window": None}),
    "qwen2": ("qwen2", _ONE_HEAD_SIZE),
    "qwen3": ("qwen3", _LIKE_LLAMA),
}
"""Which the engine reads in its own way. By name: the type, and what differs from its defaults."""
TRANSFORMERS_FORWARD: dict[str, tuple[str, dict[str, Any]]] = {
    "mistral, window": ("mistral", _SLIDING),
    "qwen2, window": (
        "qwen2",
        _ONE_HEAD_SIZE | {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 2},
    ),
    "qwen3, window": ("qwen3", _SLIDING | {"use_sliding_window": True, "max_window_layers": 0}),
    "gemma2": ("gemma2", _SLIDING | {"query_pre_attn_scalar": 8, "final_logit_softcapping": 2.0}),
    "gemma3": ("gemma3_text", _SLIDING | {"query_pre_attn_scalar": 8}),
    "phi": ("phi", _SIZES | {"num_attention_heads": 4}),
    "phi3": ("phi3", _ONE_HEAD_SIZE | _WINDOW),
    "olmo2": ("olmo2", _ONE_HEAD_SIZE),
    "smollm3": ("smollm3", _ONE_HEAD_SIZE | {"num_hidden_layers": 4}),
    "granite": (
        "granite",
        _ONE_HEAD_SIZE | {"residual_multiplier": 0.3, "logits_scaling": 3.0, "embedding_multiplier": 4.0},
    ),
    "cohere2": ("cohere2", _ONE_HEAD_SIZE | _WINDOW | {"logit_scale": 0.3}),
    "gpt2": ("gpt2", _OLD),
    "opt": ("opt", _SIZES | {"ffn_dim": 48, "num_attention_heads": 4, "word_embed_proj_dim": WIDTH}),
    "gpt_neox": ("gpt_neox", _SIZES | {"num_attention_heads": 4}),
    "gptj": ("gptj", _OLD | {"rotary_dim": 4}),
    "bloom": ("bloom", {"hidden_size": WIDTH, "n_layer": 3, "n_head": 4}),
    "gpt_oss": ("gpt_oss", _SLIDING | {"num_local_experts": 4}),
    "mamba": ("mamba", {"hidden_size": WIDTH, "num_hidden_layers": 3, "state_size": 4}),
    "bert as decoder": ("bert", _SIZES | {"num_attention_heads": 4, "is_decoder": True}),
}
"""Which it does not know: windows, caps, scaled residuals, layers without positions, other blocks and output layers."""


def random_model(kind: str, settings: dict[str, Any], **other: Any) -> Any:
    """A model of Transformers with weights large enough that attention chooses, and biases that are not zero."""
    tokenizer = tiny_tokenizer()
    marks = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    config = AutoConfig.for_model(kind, **{"vocab_size": len(tokenizer), **marks, **settings, **other})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval()
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "mamba" not in kind:
                torch.nn.init.normal_(parameter, std=0.3 if "embed" not in name else 1.0)
            elif not parameter.any():  # a bias, which would hide whatever forgets it
                torch.nn.init.normal_(parameter, std=0.3)
    return with_scales(model)


@torch.no_grad()
def with_scales(model: Any) -> Any:
    """``model`` with norms that scale: the ones of a new model would hide whatever forgets them."""
    random = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if (parameter == 1).all():
            parameter.uniform_(0.5, 1.5, generator=random)
    return model


def backbone_of(name: str, **other: Any) -> CausalBackbone:
    """A backbone around a model of one of the families above."""
    model = random_model(*(PACKED_FORWARD | TRANSFORMERS_FORWARD)[name], **other)
    return CausalBackbone(model, tiny_tokenizer(), name, "random weights", 512)
