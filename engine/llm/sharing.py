"""Prompts of a batch that begin alike are read once: a common trunk, then rows whose branches share a stem.

All prompts of a run begin with the same instruction and soft prompt (the trunk); two questions about one user share her
history as well (a stem). What is shared is found by comparing embeddings, so that changed inputs are never mistaken.
"""

from __future__ import annotations

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
STEM = -2


@dataclass(frozen=True)
class Layout:
    """How a batch ``[B, T, width]`` is laid out in R rows of S positions behind a trunk of P tokens."""

    trunk: int
    """P: leading tokens that all prompts share."""
    prompt: Tensor
    """int64 ``[R, S]``: whose token stands here (the first owner's, if shared); ``NOBODY`` is padding."""
    position: Tensor
    """int64 ``[R, S]``: its position in that prompt."""
    branch: Tensor
    """int64 ``[R, S]``: the prompt that alone sees this token, or ``STEM`` if all of the row do."""
    row: Tensor
    """int64 ``[B]``: the row in which a prompt ends, and ..."""
    column: Tensor
    """... int64 ``[B]``: where."""

    def gather(self, inputs: Tensor) -> Tensor:
        """Lay out ``inputs [B, T, width]`` as ``[R, S, width]``; differentiable."""
        return inputs[self.prompt.clamp(min=0), self.position]

    def visible(self) -> Tensor:
        """bool ``[R, 1, S, P + S]``: the trunk, the row's stem and the own branch, up to oneself."""
        R, S = self.prompt.shape
        known = (self.branch[:, None, :] == STEM) | (self.branch[:, None, :] == self.branch[:, :, None])
        own = known & torch.ones(S, S, dtype=torch.bool, device=known.device).tril()
        return torch.cat([own.new_ones(R, S, self.trunk), own], dim=2)[:, None]


def common_trunk(batch: Embedded) -> int:
    """Leading tokens that all prompts of a batch share, 0 for a single one; each keeps at least one of its own."""
    return min(_alike(batch), default=0)


def share(batch: Embedded) -> Layout:
    """The layout of a batch; neighbours that share a stem should stand side by side."""
    inputs, lengths = batch.inputs, batch.lengths.tolist()
    alike = _alike(batch)
    trunk = min(alike)
    rows: list[list[int]] = [[0]]
    for prompt, count in enumerate(alike, start=1):
        if count - trunk >= SHORTEST_STEM:
            rows[-1].append(prompt)
        else:
            rows.append([prompt])
    singles = [[prompt] for prompt in range(len(lengths))]
    rows = min(singles, rows, key=lambda rows: _cost(rows, lengths, alike, trunk, inputs.shape[2]))
    columns: list[tuple[list[int], list[int], list[int]]] = []
    row, column = [0] * len(lengths), [0] * len(lengths)
    for number, prompts in enumerate(rows):
        stem = min((alike[prompt - 1] for prompt in prompts[1:]), default=trunk)
        owner, position, branch = [prompts[0]] * (stem - trunk), list(range(trunk, stem)), [STEM] * (stem - trunk)
        for prompt in prompts:
            size = lengths[prompt] - stem
            owner += [prompt] * size
            position += range(stem, lengths[prompt])
            branch += [prompt] * size
            row[prompt], column[prompt] = number, len(owner) - 1
        columns.append((owner, position, branch))

    def padded(part: int, value: int) -> Tensor:
        lines = [torch.tensor(column[part]) for column in columns]
        return torch.nn.utils.rnn.pad_sequence(lines, True, value).to(inputs.device)

    ends = torch.tensor([row, column], device=inputs.device)
    return Layout(trunk, padded(0, NOBODY), padded(1, 0), padded(2, NOBODY), *ends)


def _alike(batch: Embedded) -> list[int]:
    """Leading tokens that each prompt shares with the one before it, the last token of either left out."""
    inputs, lengths = batch.inputs.detach(), batch.lengths.tolist()
    alike = (inputs[1:] == inputs[:-1]).all(2).long().cumprod(1).sum(1).tolist()
    return [min(count, a - 1, b - 1) for count, a, b in zip(alike, lengths, lengths[1:], strict=False)]


def _cost(rows: list[list[int]], lengths: list[int], alike: list[int], trunk: int, width: int) -> int:
    """What reading these rows takes, in pairs of positions; they are padded to the widest."""
    wide = 0
    for prompts in rows:
        stem = min((alike[prompt - 1] for prompt in prompts[1:]), default=trunk)
        wide = max(wide, stem - trunk + sum(lengths[prompt] - stem for prompt in prompts))
    return len(rows) * wide * (PAIRS * width + trunk + wide)
