"""RMSNorm as one operation of PyTorch's, instead of the six that Transformers spells out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import rms_norm


class FusedRMSNorm(nn.Module):
    """The same numbers and the same name of the weight as the norm it is made from."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight = norm.weight
        self.eps = norm.variance_epsilon

    def forward(self, states: Tensor) -> Tensor:
        """Same shape and dtype; the weight comes after the rounding, as in Llama."""
        return rms_norm(states, self.weight.shape, eps=self.eps) * self.weight


def fuse_norms(model: nn.Module) -> None:
    """Replace every RMSNorm of a decoder, in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child).__name__.endswith("RMSNorm") and hasattr(child, "variance_epsilon"):
                setattr(module, name, FusedRMSNorm(child))
