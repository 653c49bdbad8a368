"""SASRec (Kang and McAuley, ICDM 2018): causal self-attention over the history."""

from __future__ import annotations

from torch import Tensor, nn

from engine.config import TeacherConfig
from engine.dropout import Dropout
from engine.teachers.network import Network


class SASRec(Network):
    """Pre-norm transformer blocks over scaled item embeddings plus learned positions."""

    def __init__(self, n_items: int, config: TeacherConfig) -> None:
        super().__init__(n_items, config)
        self.positions = nn.Embedding(config.max_length + 1, config.width)  # one more for the start, or a mask
        nn.init.normal_(self.positions.weight, std=config.width**-0.5)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, sequences: Tensor, real: Tensor) -> Tensor:
        states = self.items(sequences) * self.items.embedding_dim**0.5 + self.position_embeddings(real)
        states = self.dropout(states)
        for block in self.blocks:
            states = block(states, None if self.causal else real)
        result: Tensor = self.norm(states)
        return result

    def position_embeddings(self, real: Tensor) -> Tensor:
        """float32 ``[B or 1, L, width]`` for sequences whose places are ``real [B, L]``, counted from the start."""
        return self.positions.weight[None, : real.shape[1]]


class Block(nn.Module):
    """Self-attention and a position-wise network, each around a residual connection."""

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = Dropout(config.dropout)
        self.attention_norm = nn.LayerNorm(config.width)
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.attention_out = nn.Linear(config.width, config.width)
        self.network_norm = nn.LayerNorm(config.width)
        self.network = nn.Sequential(
            nn.Linear(config.width, config.width), nn.GELU(), nn.Linear(config.width, config.width)
        )

    def forward(self, states: Tensor, real: Tensor | None = None) -> Tensor:
        """float32 ``[B, L, width]`` to the same shape; t attends to 0..t, or to all that is ``real [B, L]``."""
        states = states + self.dropout(self._attend(self.attention_norm(states), real))
        result: Tensor = states + self.dropout(self.network(self.network_norm(states)))
        return result

    def _attend(self, states: Tensor, real: Tensor | None) -> Tensor:
        split = self.query_key_value(states).unflatten(2, (3, self.heads, -1))  # [B, L, 3, heads, width / heads]
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = None if real is None else real[:, None, None, :]
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, seen, is_causal=seen is None)
        result: Tensor = self.attention_out(mixed.transpose(1, 2).flatten(2))
        return result
