"""From what the language model has read to a score for every item of the catalogue."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CatalogueHead(nn.Module):
    """States and titles meet in a space of ``config.plus.width`` dimensions; each item has a bias besides.

    Args:
        titles: float32 ``[items, width]``, a fixed vector for each title.
        behaviour: float32 ``[items, teacher's width]``, the teacher's item embeddings, or ``None`` to do without.
        popularity: int64 ``[items]``, training interactions of each item, where the biases begin.
        width: of the common space.
    """

    def __init__(self, titles: Tensor, behaviour: Tensor | None, popularity: Tensor, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(titles.shape[1])
        self.states = nn.Linear(titles.shape[1], width, bias=False)
        self.titles = nn.Linear(titles.shape[1], width, bias=False)
        self.behaviour = None if behaviour is None else nn.Linear(behaviour.shape[1], width, bias=False)
        self.bias = nn.Parameter(popularity.float().log1p())
        self.register_buffer("_titles", F.layer_norm(titles, titles.shape[1:]), persistent=False)
        self.register_buffer("_behaviour", behaviour, persistent=False)

    def forward(self, states: Tensor) -> Tensor:
        """Scores float32 ``[N, items]`` of states ``[N, width]`` in any float format; differentiable."""
        items = self.titles(self._titles)
        if self.behaviour is not None:
            items = items + self.behaviour(self._behaviour)
        return self._meet(states, items) + self.bias

    def unknown(self, states: Tensor, titles: Tensor) -> Tensor:
        """Scores ``[N, n]`` of titles ``[n, width]`` outside the catalogue, as if nobody had ever chosen them."""
        items = self.titles(F.layer_norm(titles, titles.shape[1:]))
        return self._meet(states, items) + self.bias.min()

    @torch.no_grad()
    def know_nothing_of(self, items: Tensor) -> None:
        """Give ``items``, int64 ``[n]``, the bias that :meth:`unknown` gives: as if nobody had ever chosen them."""
        known = torch.ones_like(self.bias, dtype=torch.bool)
        known[items] = False
        self.bias[items] = self.bias[known].min()

    def _meet(self, states: Tensor, items: Tensor) -> Tensor:
        projected: Tensor = self.states(self.norm(states.float()))
        return projected @ items.T / math.sqrt(items.shape[1])


def on_one_scale(embeddings: Tensor) -> Tensor:
    """A teacher's item embeddings ``[items, width]``, each with mean 0 and variance 1: float32."""
    return F.layer_norm(embeddings.float(), embeddings.shape[1:])
