"""First-order Markov counts: which item tends to follow the last one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.ranking import History
from engine.teachers.base import CatalogueScorer
from engine.teachers.popularity import Popularity

SKIP_WEIGHT = 0.5
"""Worth of b following a with one item between, against b right after a."""


class Markov(CatalogueScorer):
    """Scores item b after last item a by ``count(a→b) + 0.5 · count(a→·→b)``.

    Popularity, scaled into [0, 1/4], breaks ties (counts differ by at least 1/2) and answers for items never left.

    Args:
        train: int64 item ids per user, oldest first, training interactions only.
        n_items: size of the catalogue.
    """

    name = "markov"

    def __init__(self, train: Sequence[np.ndarray], n_items: int) -> None:
        self.n_items = n_items
        counts = Popularity(train, n_items).counts
        self._prior = (counts / (4 * max(counts.max(initial=0), 1))).astype(np.float32)
        adjacent, skipping = _pairs(train, 1, n_items), _pairs(train, 2, n_items)
        pairs, inverse = np.unique(np.concatenate([adjacent, skipping]), return_inverse=True)
        weights = np.repeat([1.0, SKIP_WEIGHT], [len(adjacent), len(skipping)])
        self._weights = np.bincount(inverse, weights=weights).astype(np.float32)
        self._next = pairs % n_items
        self._begin = np.searchsorted(pairs, np.arange(n_items + 1) * n_items)  # rows of a sparse matrix

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, n_items]``: transitions from the last known item, popularity within ties."""
        scores = np.tile(self._prior, (len(histories), 1))
        for row, history in zip(scores, map(self.known, histories), strict=True):
            if len(history):
                followers = slice(self._begin[history[-1]], self._begin[history[-1] + 1])
                row[self._next[followers]] += self._weights[followers]
        return scores


def _pairs(train: Sequence[np.ndarray], distance: int, n_items: int) -> np.ndarray:
    """Every (a, b) with b ``distance`` places after a, as the number ``a * n_items + b``."""
    return np.concatenate([items[:-distance] * n_items + items[distance:] for items in train])
