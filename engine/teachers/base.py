"""What all teachers share: scoring candidates by looking them up in the scores of the whole catalogue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.ranking import History

BATCH = 256
"""Users scored at once, so that memory does not grow with users times items."""


class CatalogueScorer(ABC):
    """A :class:`engine.ranking.PrefixRanker` over the items ``0..n_items-1``."""

    name: str
    n_items: int

    @abstractmethod
    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, n_items]``, higher is better. Unknown ids are ignored, empty histories are welcome."""

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        """float32 ``[users, m]``: the catalogue's scores at ``candidates``, int64 ``[users, m]`` ids below n_items."""
        scores = np.empty(candidates.shape, dtype=np.float32)
        for begin in range(0, len(histories), BATCH):
            users = slice(begin, begin + BATCH)
            scores[users] = np.take_along_axis(self.catalogue_scores(histories[users]), candidates[users], axis=1)
        return scores

    def prefix_scores(self, histories: Sequence[History]) -> Tensor:
        """float32 ``[sum(n + 1), n_items]``: :meth:`catalogue_scores` of each history's first 0, 1, … and all items."""
        prefixes = [history[:length] for history in histories for length in range(len(history) + 1)]
        return torch.from_numpy(self.catalogue_scores(prefixes))

    def known(self, history: History) -> np.ndarray:
        """int64 ids of the history's items that the teacher knows; one's own added titles are dropped."""
        items = np.asarray(history, dtype=np.int64)
        return items[(items >= 0) & (items < self.n_items)]
