"""Attention with a backward pass of its own gives PyTorch's answers and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoConfig, AutoModelForCausalLM

from engine.llm import attention as module
from engine.llm.attention import NAME, attention
from engine.llm.sources import CAUSAL

B, H, G, S, T, D = 3, 6, 2, 5, 9, 8


def _inputs(dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = (B, H, S, D), (B, G, T, D), (B, G, T, D), (B, S, H, D)
    return [torch.randn(shape).to(dtype) for shape in shapes]


def _mask() -> Tensor:
    seen = torch.rand(B, 1, S, T, generator=torch.Generator().manual_seed(0)) < 0.6
    seen[..., 0] = True
    return seen


def _exact(inputs: list[Tensor], mask: Tensor, scale: float) -> tuple[Tensor, ...]:
    """Answer and gradients in float64, every key and value copied for each of its heads."""
    *leaves, gradient = (tensor.double().requires_grad_() for tensor in inputs)
    query, key, value = leaves
    copied = (tensor.repeat_interleave(H // G, dim=1) for tensor in (key, value))
    answer = scaled_dot_product_attention(query, *copied, attn_mask=mask, scale=scale).transpose(1, 2)
    return answer.detach(), *torch.autograd.grad(answer, leaves, gradient)


def _ours(inputs: list[Tensor], mask: Tensor, scale: float) -> tuple[Tensor, ...]:
    *leaves, gradient = (tensor.clone().requires_grad_() for tensor in inputs)
    answer, _ = attention(_Layer(), *leaves, mask, scaling=scale)
    return answer.detach(), *torch.autograd.grad(answer, leaves, gradient)


class _Layer(torch.nn.Module):
    num_key_value_groups = H // G
    is_causal = True


@pytest.mark.parametrize("additive", [False, True])
def test_answers_and_gradients_are_those_of_exact_attention(additive: bool) -> None:
    inputs, mask = _inputs(torch.bfloat16), _mask()
    given = torch.where(mask, 0.0, -torch.inf).bfloat16() if additive else mask
    for found, expected in zip(_ours(inputs, given, 0.3), _exact(inputs, mask, 0.3), strict=True):
        assert found.dtype == torch.bfloat16
        assert float((found.double() - expected).norm() / expected.norm()) < 0.02


def test_one_mask_serves_all_rows_of_a_batch() -> None:
    inputs, mask = _inputs(torch.bfloat16), _mask()[:1]
    for found, expected in zip(_ours(inputs, mask, 0.3), _ours(inputs, mask.expand(B, -1, -1, -1), 0.3), strict=True):
        assert torch.equal(found, expected)


def test_a_position_that_sees_nobody_spoils_no_gradient() -> None:
    inputs, mask = _inputs(torch.bfloat16), _mask()
    mask[1, :, 2] = False
    inputs[3][1, 2] = 0  # nobody asks for its answer
    assert all(found.isfinite().all() for found in _ours(inputs, mask, 0.3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("learned", [False, True])
def test_only_gradients_in_bf16_go_the_own_way(monkeypatch, dtype: torch.dtype, learned: bool) -> None:
    went = []
    monkeypatch.setattr(module, "_row", lambda *inputs: went.append(1) or inputs[0] * inputs[1].sum() * inputs[2].sum())
    *leaves, gradient = (tensor.requires_grad_(learned) for tensor in _inputs(dtype))
    answer, _ = attention(_Layer(), *leaves, _mask())
    if learned:
        answer.backward(gradient)
    assert bool(went) == (learned and dtype == torch.bfloat16)


@pytest.mark.parametrize("family", CAUSAL)
def test_every_family_of_decoders_takes_it(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"vocab_size": 99, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **sizes, **heads)).bfloat16().eval()
    inputs, real = torch.randn(2, 7, 32).bfloat16().requires_grad_(), torch.ones(2, 7)
    real[1, 5:] = 0
    rows = []
    one_row = module._row
    monkeypatch.setattr(module, "_row", lambda *tensors: rows.append(1) or one_row(*tensors))

    def gradient(implementation: str) -> Tensor:
        model.set_attn_implementation(implementation)
        states = model.get_decoder()(inputs_embeds=inputs, attention_mask=real, use_cache=False).last_hidden_state
        return torch.autograd.grad(states[:, 4].float().square().sum(), inputs)[0].float()

    usual = gradient("sdpa")
    assert not rows
    ours = gradient(NAME)
    assert len(rows) == 2 * 2  # layers, rows of the batch
    assert float((ours - usual).norm() / usual.norm()) < 0.02
