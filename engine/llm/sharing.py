"""Prompts of a batch that begin alike are read once: a common trunk, then rows whose prompts branch off one another.

All prompts of a run begin with the same instruction and soft prompt (the trunk); questions about one list of candidates
share that too, and histories that differ at their end share their beginning. Every token stands once in a row and is
seen by the prompts that begin with it, as in a prefix tree. What is shared is found by comparing embeddings, so that
changed inputs are never mistaken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.llm.backbone import Embedded

SHORTEST_STEM = 16
"""Tokens that two neighbours must share beyond the trunk before they go into one row."""
PAIRS = 2
"""A token's way through the linear layers takes as long as this times the model's width pairs of positions in masked
attention. By count of operations it were six times; a masked pair is slower by three (measured on two cores)."""
NOBODY = -1


@dataclass(frozen=True)
class Layout:
    """How a batch ``[B, T, width]`` is laid out in R rows of S positions behind a trunk of P tokens."""

    trunk: int
    """P: leading tokens that all prompts share."""
    prompt: Tensor
    """int64 ``[R, S]``: the first prompt that has this token; ``NOBODY`` is padding."""
    position: Tensor
    """int64 ``[R, S]``: the token's position in that prompt, and in all that begin with it."""
    alike: Tensor
    """int64 ``[B, B]``: leading tokens that a prompt (second index) shares with an earlier one of its row (first)."""
    row: Tensor
    """int64 ``[B]``: the row in which a prompt ends, and ..."""
    column: Tensor
    """... int64 ``[B]``: where."""

    def gather(self, inputs: Tensor) -> Tensor:
        """Lay out ``inputs [B, T, width]`` as ``[R, S, width]``; differentiable."""
        return inputs[self.prompt.clamp(min=0), self.position]

    def visible(self) -> Tensor:
        """bool ``[R, 1, S, P + S]``: the trunk, and what the token's prompt begins with, up to the token itself."""
        R, S = self.prompt.shape
        reader, owner = self.prompt[:, :, None], self.prompt[:, None, :]
        begins = self.position[:, None, :] < self.alike[owner.clamp(min=0), reader.clamp(min=0)]
        own = (begins | (owner == reader)) & torch.ones(S, S, dtype=torch.bool, device=owner.device).tril()
        return torch.cat([own.new_ones(R, S, self.trunk), own], dim=2)[:, None]


def common_trunk(batch: Embedded) -> int:
    """Leading tokens that all prompts of a batch share, 0 for a single one; each keeps at least one of its own."""
    return min(_alike(batch), default=0)


def share(batch: Embedded) -> Layout:
    """The layout of a batch; prompts that begin alike should stand side by side, those alike the longest closest."""
    inputs, lengths = batch.inputs, batch.lengths.tolist()
    alike = _alike(batch)
    trunk = min(alike)
    begins = [trunk, *alike]
    joined: list[list[int]] = [[0]]
    for prompt in range(1, len(lengths)):
        if begins[prompt] - trunk >= SHORTEST_STEM:
            joined[-1].append(prompt)
        else:
            joined.append([prompt])
    singles = [[prompt] for prompt in range(len(lengths))]
    rows = min(singles, joined, key=lambda rows: _cost(rows, lengths, begins, trunk, inputs.shape[2]))
    reach = torch.zeros(len(lengths), len(lengths), dtype=torch.int64)
    owners: list[list[int]] = []
    positions: list[list[int]] = []
    row, column = [0] * len(lengths), [0] * len(lengths)
    for number, prompts in enumerate(rows):
        owner: list[int] = []
        position: list[int] = []
        for prompt in prompts:
            start = begins[prompt] if owner else trunk
            # What it shares with an earlier prompt of the row is the least that neighbours between them share.
            for earlier in range(prompts[0], prompt):
                reach[earlier, prompt] = min(begins[earlier + 1 : prompt + 1])
            owner += [prompt] * (lengths[prompt] - start)
            position += range(start, lengths[prompt])
            row[prompt], column[prompt] = number, len(owner) - 1
        owners.append(owner)
        positions.append(position)
    ends = torch.tensor([row, column], device=inputs.device)
    return Layout(trunk, _padded(owners, NOBODY, inputs), _padded(positions, 0, inputs), reach.to(inputs.device), *ends)


def _padded(lines: Sequence[Sequence[int]], value: int, like: Tensor) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(line) for line in lines], True, value).to(like.device)


def _alike(batch: Embedded) -> list[int]:
    """Leading tokens that each prompt shares with the one before it, the last token of either left out."""
    inputs, lengths = batch.inputs.detach(), batch.lengths.tolist()
    alike = (inputs[1:] == inputs[:-1]).all(2).long().cumprod(1).sum(1).tolist()
    return [min(count, a - 1, b - 1) for count, a, b in zip(alike, lengths, lengths[1:], strict=False)]


def _cost(rows: list[list[int]], lengths: list[int], begins: list[int], trunk: int, width: int) -> int:
    """What reading these rows takes, in pairs of positions; they are padded to the widest."""
    wide = max(
        lengths[first] - trunk + sum(lengths[prompt] - begins[prompt] for prompt in others) for first, *others in rows
    )
    return len(rows) * wide * (PAIRS * width + trunk + wide)
