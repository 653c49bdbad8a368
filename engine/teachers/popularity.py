"""Popularity: the baseline that knows nothing of the user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.ranking import History
from engine.teachers.base import CatalogueScorer


class Popularity(CatalogueScorer):
    """Scores an item by its number of training interactions.

    Args:
        train: int64 item ids per user, training interactions only.
        n_items: size of the catalogue.
    """

    name = "popularity"

    def __init__(self, train: Sequence[np.ndarray], n_items: int) -> None:
        self.n_items = n_items
        self.counts = np.bincount(np.concatenate(train), minlength=n_items)

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, n_items]``: the same counts for everyone."""
        return np.tile(self.counts.astype(np.float32), (len(histories), 1))
