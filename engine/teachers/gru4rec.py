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
        hidden = config.gru4rec.hidden or 2 * config.width
        self.gru = nn.GRU(config.width, hidden, config.layers, batch_first=True)
        self.project = nn.Linear(hidden, config.width)

    def forward(self, sequences: Tensor, real: Tensor) -> Tensor:
        states, _ = self.gru(self.dropout(self.items(sequences)))
        result: Tensor = self.project(self.dropout(states))
        return result
