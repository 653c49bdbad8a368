"""Several teachers as one: a baseline of its own, and what DELRec-plus may learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from engine.ranking import History
from engine.teachers.base import CatalogueScorer
from engine.teachers.teacher import Teacher


class Ensemble(CatalogueScorer):
    """The mean of several teachers' log-probabilities, normalised over the catalogue: a product of experts."""

    name = "ensemble"

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self.teachers = list(teachers)
        self.n_items = self.teachers[0].n_items

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, n_items]`` log-probabilities."""
        scores = np.mean([teacher.catalogue_scores(histories) for teacher in self.teachers], axis=0, dtype=np.float32)
        normalised: np.ndarray = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        return normalised

    def prefix_scores(self, histories: Sequence[History]) -> torch.Tensor:
        """As :meth:`Teacher.prefix_scores`: float32 ``[sum(n + 1), n_items]`` log-probabilities."""
        each = [teacher.prefix_scores(histories) for teacher in self.teachers]
        return torch.stack(each).mean(dim=0).log_softmax(dim=1)
