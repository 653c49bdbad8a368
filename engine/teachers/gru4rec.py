"""GRU4Rec (Hidasi et al., ICLR 2016): a recurrent network over the history."""

from __future__ import annotations

from torch import Tensor, nn

from engine.config import TeacherConfig
from engine.dropout import Dropout
from engine.teachers.network import Network


class GRU4Rec(Network):
    """Gated recurrent units, then a projection back to the width of the item embeddings."""

    def __init__(self, n_items: int, config: TeacherConfig) -> None:
        super().__init__(n_items, config)
        self.dropout = Dropout(config.dropout)
        self.gru = nn.GRU(config.width, 2 * config.width, config.layers, batch_first=True)
        self.project = nn.Linear(2 * config.width, config.width)

    def forward(self, sequences: Tensor) -> Tensor:
        states, _ = self.gru(self.dropout(self.items(sequences)))
        return self.project(self.dropout(states))
