"""The fused norm is the families' own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from engine.llm.norm import FusedRMSNorm, fuse_norms

CAUSAL = ("llama", "mistral", "qwen2", "qwen3")
LAST_DIGIT = {torch.float32: 1e-5, torch.bfloat16: 2**-7}


def _norms(family: str, dtype: torch.dtype) -> tuple[nn.Module, dict[str, nn.Module]]:
    sizes = {"vocab_size": 99, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **sizes, **heads)).to(dtype)
    model.requires_grad_(False)
    torch.manual_seed(0)
    usual = {name: child for name, child in model.named_modules() if type(child).__name__.endswith("RMSNorm")}
    for norm in usual.values():
        norm.weight.uniform_(0.5, 2)
    return model, usual


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("dtype", LAST_DIGIT)
def test_every_norm_of_every_family_keeps_its_numbers_up_to_the_last_digit(family: str, dtype: torch.dtype) -> None:
    model, usual = _norms(family, dtype)
    names = set(model.state_dict())
    fuse_norms(model)
    assert usual
    assert set(model.state_dict()) == names
    for name, norm in usual.items():
        fused = model.get_submodule(name)
        assert isinstance(fused, FusedRMSNorm)
        assert fused.weight is norm.weight
        states = (10 * torch.randn(2, 50, len(norm.weight))).to(dtype)
        torch.testing.assert_close(fused(states), norm(states), atol=0, rtol=LAST_DIGIT[dtype])


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 0.01)])
@pytest.mark.parametrize("shape", [(3,), (2, 50)], ids=str)
def test_gradients_are_exact(dtype: torch.dtype, near: float, shape: tuple[int, ...]) -> None:
    norm = _norms("llama", dtype)[1]["model.norm"]
    states = (10 * torch.randn(*shape, len(norm.weight))).to(dtype).requires_grad_()
    gradient = torch.randn_like(states)
    (found,) = torch.autograd.grad(FusedRMSNorm(norm)(states), states, gradient)
    exact = states.detach().double().requires_grad_()
    scale = (exact.square().mean(-1, keepdim=True) + norm.variance_epsilon).rsqrt()
    (expected,) = torch.autograd.grad(exact * scale * norm.weight.double(), exact, gradient.double())
    assert found.dtype == dtype
    assert float((found - expected).norm() / expected.norm()) < near
