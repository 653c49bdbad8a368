"""The frame of a neural teacher: item embeddings in, states in the middle, the same embeddings out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from engine.config import TeacherConfig


class Network(nn.Module, ABC):
    """Turns item sequences into states that are compared with every item's embedding.

    Sequences begin with the extra id ``n_items`` (*start*), so that an empty history has a state too, and are padded on
    the right with any id: all networks are causal, so what stands behind a position cannot reach it.
    """

    def __init__(self, n_items: int, config: TeacherConfig) -> None:
        super().__init__()
        self.n_items = n_items
        self.items = nn.Embedding(n_items + 1, config.width)
        self.bias = nn.Parameter(torch.zeros(n_items))
        nn.init.normal_(self.items.weight, std=config.width**-0.5)

    @property
    def start(self) -> int:
        """The id that begins every sequence."""
        return self.n_items

    @abstractmethod
    def forward(self, sequences: Tensor) -> Tensor:
        """States float32 ``[B, L, width]`` for sequences int64 ``[B, L]``; state t sees items 0..t only."""

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all items, float32 ``[..., n_items]``, for states ``[..., width]``; output embeddings are tied."""
        return nn.functional.linear(states, self.items.weight[: self.n_items], self.bias)
