"""Dropout that is cheap on CPUs, where drawing a random float for every element takes longer than the layers do."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """``nn.Dropout`` with a rate rounded to 1/256: one random 64-bit draw decides on eight elements."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropped = round(rate * 256)

    def forward(self, values: Tensor) -> Tensor:
        """Same shape; in training, elements are zeroed at the rate and the others scaled up to keep the mean."""
        if not self.training or not self.dropped:
            return values
        draws = torch.randint(-(2**63), 2**63 - 1, (-(-values.numel() // 8),), device=values.device)
        # Ones and zeros as bytes; bool takes PyTorch several times as long, to make and to multiply by.
        kept = draws.view(torch.uint8)[: values.numel()].view(values.shape).ge_(self.dropped)
        return values * kept * (256 / (256 - self.dropped))
