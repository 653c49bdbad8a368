"""The one question that every model answers, and that evaluation, explanation and pages ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

History = Sequence[int] | np.ndarray
"""Dense item ids, oldest first. Models cut it to the length they use."""


@runtime_checkable
class Ranker(Protocol):
    """Scores candidates for histories: teacher, counting baseline, zero-shot LLM and DELRec alike."""

    @property
    def name(self) -> str:
        """The row of the results table."""
        ...

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        """Score each candidate; higher is better.

        Args:
            histories: one per user, any lengths.
            candidates: int64 ``[users, m]`` dense item ids.

        Returns:
            float32 ``[users, m]``. A user's scores do not depend on the other users in the call.
        """
        ...


@runtime_checkable
class CatalogueRanker(Ranker, Protocol):
    """A ranker that scores every item at once: teachers and counting baselines."""

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, items]``: a score for every item of the catalogue."""
        ...


@runtime_checkable
class TwoScoresRanker(CatalogueRanker, Protocol):
    """One whose scores of candidates are not those that it gives them in the catalogue."""

    def both_scores(self, histories: Sequence[History], candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What :meth:`catalogue_scores` and :meth:`scores` say; each history is read once for the two."""
        ...


@runtime_checkable
class PrefixRanker(CatalogueRanker, Protocol):
    """One that answers at every place of a history: what a reader of whole sequences learns from."""

    def prefix_scores(self, histories: Sequence[History]) -> Tensor:
        """What :meth:`catalogue_scores` says behind every prefix: of 0, 1, … and all n items, history after history.

        Returns:
            float32 ``[sum(n + 1), items]`` on the ranker's own device, outside autograd; log-probabilities where the
            catalogue's scores are such, as all teachers' are.
        """
        ...
