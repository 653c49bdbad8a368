"""Caser (Tang and Wang, WSDM 2018): convolutions over the last few items.

Horizontal filters look for patterns of several neighbouring items and are pooled over time; vertical filters weigh the
positions of the window. The user embedding is left out, so that the model answers for users it has never seen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool1d, pad, relu

from engine.config import TeacherConfig
from engine.dropout import Dropout
from engine.teachers.network import Network

WINDOW = 5
"""Items that a state sees."""
HEIGHTS = (2, 3, 4)
"""Items that a horizontal filter covers."""


class Caser(Network):
    """Every position's window in one pass: convolving a padded sequence is convolving all of its windows."""

    def __init__(self, n_items: int, config: TeacherConfig) -> None:
        super().__init__(n_items, config)
        filters = config.caser.filters
        self.horizontal = nn.ModuleList(nn.Conv1d(config.width, filters, height) for height in HEIGHTS)
        self.vertical = nn.Linear(WINDOW, filters, bias=False)
        self.dropout = Dropout(config.dropout)
        self.hidden = nn.Linear(filters * (len(HEIGHTS) + config.width), config.width)

    def forward(self, sequences: Tensor, real: Tensor) -> Tensor:
        items = pad(self.items(sequences).transpose(1, 2), (WINDOW - 1, 0))  # [B, width, WINDOW - 1 + L]
        pooled = [
            max_pool1d(relu(convolve(items)), WINDOW - height + 1, stride=1)
            for height, convolve in zip(HEIGHTS, self.horizontal, strict=True)
        ]  # of [B, filters, L]
        weighed = self.vertical(items.unfold(2, WINDOW, 1))  # [B, width, L, filters]
        features = torch.cat(
            [*(patterns.transpose(1, 2) for patterns in pooled), weighed.transpose(1, 2).flatten(2)], 2
        )
        return relu(self.hidden(self.dropout(features)))
