"""RMSNorm in half the passes that Transformers spells out, forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm


class FusedRMSNorm(nn.Module):
    """Llama's norm: computed in float32, rounded, then weighed; with the weight and the name of the one it replaces."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight = norm.weight
        self.eps = norm.variance_epsilon

    def forward(self, states: Tensor) -> Tensor:
        """Same shape ``[..., width]`` and dtype."""
        if not states.is_cpu:
            result: Tensor = rms_norm(states, self.weight.shape, eps=self.eps) * self.weight
            return result
        normed: Tensor = _Normed.apply(states, self.weight, self.eps)  # type: ignore[no-untyped-call]
        return normed


def fuse_norms(model: nn.Module) -> Callable[[], None]:
    """Replace every RMSNorm of a frozen decoder, in place; what is returned puts them back."""
    own = [
        (module, name, child)
        for module in model.modules()
        for name, child in module.named_children()
        if type(child).__name__.endswith("RMSNorm") and hasattr(child, "variance_epsilon") and hasattr(child, "weight")
    ]
    for module, name, child in own:
        setattr(module, name, FusedRMSNorm(child))

    def undo() -> None:
        for module, name, child in own:
            setattr(module, name, child)

    return undo


class _Normed(torch.autograd.Function):
    """``states [..., width]``; the weight is frozen and gets no gradient."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, eps: float) -> Tensor:
        exact = states.float()
        scale = torch.linalg.vector_norm(exact, dim=-1, keepdim=True).square_().div_(exact.shape[-1])
        scale = scale.add_(eps).rsqrt_()
        ctx.save_for_backward(states, weight, scale)
        result: Tensor = (exact * scale).to(states.dtype).mul_(weight)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, scale = ctx.saved_tensors
        normed, weighted = states.float() * scale, gradients[0].float() * weight.float()
        along = torch.linalg.vecdot(weighted, normed)[..., None] / -states.shape[-1]
        return weighted.addcmul_(normed, along).mul_(scale).to(states.dtype), None, None
