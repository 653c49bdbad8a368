"""The fused norm is the families' own, to the last digit in bf16."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from engine.llm.norm import FusedRMSNorm, fuse_norms
from engine.llm.sources import CAUSAL


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_norm_of_every_family_keeps_its_numbers(family: str, dtype: torch.dtype) -> None:
    sizes = {"vocab_size": 99, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **sizes, **heads)).to(dtype)
    usual = {name: child for name, child in model.named_modules() if type(child).__name__.endswith("RMSNorm")}
    assert usual
    names = set(model.state_dict())
    fuse_norms(model)
    assert set(model.state_dict()) == names
    torch.manual_seed(0)
    for name, norm in usual.items():
        fused = model.get_submodule(name)
        assert isinstance(fused, FusedRMSNorm)
        fused.weight.data.uniform_(0.5, 2)
        assert fused.weight is norm.weight
        states = (10 * torch.randn(2, 5, len(norm.weight))).to(dtype)
        near = 0 if dtype == torch.bfloat16 else 1e-6
        torch.testing.assert_close(fused(states), norm(states), atol=near, rtol=near)
