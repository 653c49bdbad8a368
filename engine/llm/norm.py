"""RMSNorm in a few passes over blocks that fit the cache, instead of the dozen that Transformers spells out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm

ROWS = 256
"""Tokens normalised at once."""


class FusedRMSNorm(nn.Module):
    """Llama's norm: computed in float32, rounded, then weighed; with the weight and the name of the one it replaces."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight = norm.weight
        self.eps = norm.variance_epsilon

    def forward(self, states: Tensor) -> Tensor:
        """Same shape ``[..., width]`` and dtype."""
        if not states.is_cpu:
            return rms_norm(states, self.weight.shape, eps=self.eps) * self.weight
        normed: Tensor = _ByBlocks.apply(states.reshape(-1, states.shape[-1]), self.weight, self.eps)
        return normed.view(states.shape)


def fuse_norms(model: nn.Module) -> None:
    """Replace every RMSNorm of a frozen decoder, in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child).__name__.endswith("RMSNorm") and hasattr(child, "variance_epsilon"):
                setattr(module, name, FusedRMSNorm(child))


class _ByBlocks(torch.autograd.Function):
    """``states [N, width]``; the weight is frozen and gets no gradient."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, eps: float) -> Tensor:
        answer = torch.empty_like(states)
        scale = states.new_empty(len(states), 1, dtype=torch.float32)
        exact = states.new_empty(min(ROWS, len(states)), states.shape[1], dtype=torch.float32)
        for given, factor, normed in zip(*(tensor.split(ROWS) for tensor in (states, scale, answer)), strict=True):
            x = exact[: len(given)].copy_(given)
            torch.linalg.vector_norm(x, dim=1, keepdim=True, out=factor)
            factor.square_().div_(x.shape[1]).add_(eps).rsqrt_()
            normed.copy_(x.mul_(factor)).mul_(weight)
        ctx.save_for_backward(states, weight, scale)
        return answer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, scale = ctx.saved_tensors
        answer = torch.empty_like(states)
        blocks = (tensor.split(ROWS) for tensor in (states, scale, gradients[0], answer))
        exact = states.new_empty(2, min(ROWS, len(states)), states.shape[1], dtype=torch.float32)
        for given, factor, gradient, of_states in zip(*blocks, strict=True):
            normed, wanted = exact[:, : len(given)]
            normed.copy_(given).mul_(factor)
            wanted.copy_(gradient).mul_(weight.float())
            along = torch.linalg.vecdot(wanted, normed)[:, None] / -given.shape[1]
            of_states.copy_(wanted.addcmul_(normed, along).mul_(factor))
        return answer, None, None
