"""BERT4Rec (Sun et al., CIKM 2019): bidirectional self-attention that learns to fill in masked items.

To be asked for the next item, a history gets a mask behind it. As in the authors' code some training sequences have
their last item masked alone, which is the very same question. Places are counted from the end, so that this mask has
always the same one, however long the history.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.teachers.sasrec import SASRec
from engine.teachers.windows import Batch
from engine.transfer import to_device


class BERT4Rec(SASRec):
    """SASRec's network, in which every position attends to all others; :attr:`start` is the mask."""

    causal = False

    def question(self, items: Tensor) -> Tensor:
        """The history with a mask behind it."""
        return torch.cat([items, items.new_tensor([self.start])])

    def position_embeddings(self, real: Tensor) -> Tensor:
        from_end = (real.sum(1, keepdim=True) - 1 - torch.arange(real.shape[1], device=real.device)).clamp(min=0)
        embedded: Tensor = self.positions(from_end)
        return embedded

    def backward(self, batch: Batch, learned: Tensor, random: np.random.Generator) -> tuple[float, float]:
        """The cloze task: a window's items, some of them masked, are asked for at the masks."""
        again = self.config.bert4rec.maskings
        items, real = batch.labels.repeat(again, 1), batch.real.repeat(again, 1)
        items, real, masked = (batch.own(rows) for rows in (items, real, self.masks(real, random)))
        states = self(items.masked_fill(masked, self.start), real)[masked]
        return self.softmax_backward(states, items[masked], learned, random), len(states)

    def masks(self, real: Tensor, random: np.random.Generator) -> Tensor:
        """bool ``[B, L]``: which of the ``real`` places are masked; at least one of each sequence.

        The last one alone in ``last_share`` of the sequences, and where chance masks none.
        """
        settings = self.config.bert4rec
        share = np.where(random.random((len(real), 1)) < settings.last_share, 0, settings.mask_share)
        masked = to_device(random.random(real.shape) < share, real.device) & real
        last = torch.arange(real.shape[1], device=real.device) == real.sum(1, keepdim=True) - 1
        return torch.where(masked.any(1, keepdim=True), masked, last)
