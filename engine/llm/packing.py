"""Many continuations of one prompt in a single row, each blind to the others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.llm.backbone import Continuations
from engine.transfer import to_device

NOBODY = -1


@dataclass(frozen=True)
class Packed:
    """Continuations laid out one after another, padded on the right; all int64 ``[B, S]``.

    ``inputs`` are fed to the model, which has to predict ``targets`` there; ``owner`` says whose position it is
    (``NOBODY``: padding), ``offset`` counts from 0 inside each continuation.
    """

    inputs: Tensor
    targets: Tensor
    owner: Tensor
    offset: Tensor

    def visible(self) -> Tensor:
        """bool ``[B, S, S]``: which positions of the row each one sees: its own continuation's, up to itself."""
        S = self.inputs.shape[1]
        same = self.owner[:, :, None] == self.owner[:, None, :]
        return same & torch.ones(S, S, dtype=torch.bool, device=same.device).tril()

    def total(self, logprobs: Tensor, m: int) -> Tensor:
        """Sum ``logprobs`` (one per real position, in row order) by continuation: ``[B, m]``."""
        rows, columns = self.real()
        sums = logprobs.new_zeros(len(self.owner) * m)
        return sums.index_add(0, rows * m + self.owner[rows, columns], logprobs).view(-1, m)

    def sizes(self) -> list[int]:
        """Positions of each row that are not padding."""
        sizes: list[int] = (self.owner != NOBODY).sum(1).tolist()
        return sizes

    def real(self) -> tuple[Tensor, Tensor]:
        """Row and column of every position that is not padding."""
        rows, columns = (self.owner != NOBODY).nonzero(as_tuple=True)
        return rows, columns


def pack(continuations: Continuations, start: int | None, device: torch.device) -> Packed:
    """Lay out ``[B][m][length]`` token ids.

    With a ``start`` token every continuation begins with it and all its tokens are targets (decoders with their own
    start); with ``None`` the first token is fed, not predicted, because the prompt's last state predicts it.
    """
    inputs, targets, owner, offset = [], [], [], []
    for row in continuations:
        full = [[*([] if start is None else [start]), *tokens] for tokens in row]
        inputs.append(torch.tensor([t for tokens in full for t in tokens[:-1]], dtype=torch.int64))
        targets.append(torch.tensor([t for tokens in full for t in tokens[1:]], dtype=torch.int64))
        owner.append(torch.tensor([j for j, tokens in enumerate(full) for _ in tokens[1:]], dtype=torch.int64))
        offset.append(torch.tensor([i for tokens in full for i in range(len(tokens) - 1)], dtype=torch.int64))

    def padded(rows: list[Tensor], value: int) -> Tensor:
        return to_device(torch.nn.utils.rnn.pad_sequence(rows, True, value), device)

    return Packed(padded(inputs, 0), padded(targets, 0), padded(owner, NOBODY), padded(offset, 0))
