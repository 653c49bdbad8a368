"""Cuts training sequences into windows, so that every interaction is a label once in an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.transfer import to_device


@dataclass(frozen=True)
class Batch:
    """Windows side by side, padded on the right."""

    inputs: Tensor
    """int64 ``[B, L]``: the start id, then all items of the window but the last."""
    labels: Tensor
    """int64 ``[B, L]``: the item that follows each input."""
    real: Tensor
    """bool ``[B, L]``: False where there is padding."""
    rows: slice | None = None
    """The windows that this process learns from, where others learn from the rest."""

    def to(self, device: torch.device) -> Batch:
        return replace(
            self,
            inputs=to_device(self.inputs, device),
            labels=to_device(self.labels, device),
            real=to_device(self.real, device),
        )

    def own(self, tensor: Tensor) -> Tensor:
        """The rows of a tensor ``[copies * B, ...]`` that belong to :attr:`rows`."""
        if self.rows is None:
            return tensor
        result: Tensor = tensor.unflatten(0, (-1, len(self.inputs)))[:, self.rows].flatten(0, 1)
        return result


class Windows:
    """All training interactions, cut anew in every epoch.

    A window's labels are up to ``size`` neighbouring interactions of one user. Users' cuts are shifted at random, so
    that each interaction is met with different amounts of context.

    Args:
        train: int64 item ids per user, oldest first, training interactions only.
        size: labels in a whole window.
        start: the id that begins every input.
    """

    def __init__(self, train: Sequence[np.ndarray], size: int, start: int) -> None:
        self.size, self.start = size, start
        self.items = np.concatenate(train)
        lengths = np.array([len(items) for items in train], dtype=np.int64)
        self.user = np.repeat(np.arange(len(train)), lengths)
        self.place = np.arange(len(self.items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)

    def batches(self, size: int, random: np.random.Generator) -> Iterator[Batch]:
        """One epoch of batches with the labels of about ``size`` whole windows; depends on ``random`` alone.

        Windows of like length share a batch, so that little is computed on padding.
        """
        shifts = random.integers(self.size, size=self.user[-1] + 1)
        slot = (self.place + shifts[self.user]) // self.size
        cuts = np.flatnonzero(np.diff(self.user, prepend=-1) | np.diff(slot, prepend=-1))
        lengths = np.diff(cuts, append=len(self.items))
        order = random.permutation(len(cuts))
        order = order[np.argsort(lengths[order], kind="stable")]
        group = (np.cumsum(lengths[order]) - 1) // (size * self.size)
        groups = np.split(order, np.flatnonzero(np.diff(group)) + 1)
        for index in random.permutation(len(groups)):
            yield self._batch(cuts[groups[index]], lengths[groups[index]])

    def uncut(self) -> Batch:
        """Every sequence as one window; none may be longer than ``size``."""
        cuts = np.flatnonzero(np.diff(self.user, prepend=-1))
        return self._batch(cuts, np.diff(cuts, append=len(self.items)))

    def _batch(self, cuts: np.ndarray, lengths: np.ndarray) -> Batch:
        steps = np.arange(lengths.max())
        real = steps < lengths[:, None]
        labels = np.where(real, self.items[np.where(real, cuts[:, None] + steps, 0)], self.start)
        inputs = np.concatenate([np.full((len(cuts), 1), self.start), labels[:, :-1]], axis=1)
        return Batch(torch.from_numpy(inputs), torch.from_numpy(labels), torch.from_numpy(real))
