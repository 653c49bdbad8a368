"""DELRec-plus as a ranker: a weighed sum of what its parts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.plus.weights import PlusWeights
from engine.ranking import CatalogueRanker, History


class PlusRanker:
    """Satisfies :class:`engine.ranking.TwoScoresRanker`; scores are log-probabilities up to a constant per user.

    Args:
        parts: its models by name.
        weights: of each of them.
        n_items: of the data set; what is beyond are titles of one's own, of which teachers know nothing.
    """

    name = "delrec-plus"

    def __init__(self, parts: Mapping[str, CatalogueRanker], weights: PlusWeights, n_items: int) -> None:
        self.parts = dict(parts)
        self.weights = weights
        self.n_items = n_items
        self._last: tuple[tuple[tuple[int, ...], ...], dict[str, np.ndarray]] = (), {}

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, items of the data set]``."""
        by_part = self._opinions(histories)
        return _sum({name: weight * by_part[name] for name, weight in self.weights.catalogue.items()})

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        """float32 ``[users, m]``; each history is read once, however often it is asked about."""
        return _sum(self.part_scores(histories, candidates))

    def both_scores(self, histories: Sequence[History], candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.catalogue_scores(histories), self.scores(histories, candidates)

    def part_scores(
        self, histories: Sequence[History], candidates: np.ndarray, weights: Mapping[str, float] | None = None
    ) -> dict[str, np.ndarray]:
        """float32 ``[users, m]`` by part: what each of them adds to :meth:`scores`, or with other ``weights``."""
        own = candidates >= self.n_items
        if not own.any():
            by_part = self._opinions(histories)
            columns = {name: np.take_along_axis(scores, candidates, axis=1) for name, scores in by_part.items()}
        else:
            columns = {name: self._beyond(part, histories, candidates, own) for name, part in self.parts.items()}
        return {name: weight * columns[name] for name, weight in (weights or self.weights.candidates).items()}

    def _beyond(
        self, part: CatalogueRanker, histories: Sequence[History], candidates: np.ndarray, own: np.ndarray
    ) -> np.ndarray:
        """What a part says of candidates, one's own titles among them, to which teachers give their lowest score."""
        if getattr(part, "reads_titles", False):
            return part.scores(histories, candidates)
        scores = part.catalogue_scores(histories)
        listed = np.take_along_axis(scores, np.where(own, 0, candidates), axis=1)
        return np.where(own, scores.min(axis=1, keepdims=True), listed)

    def _opinions(self, histories: Sequence[History]) -> dict[str, np.ndarray]:
        """float32 ``[users, items]`` of each part; those of the last call are kept, as one batch is asked twice."""
        key = tuple(tuple(int(item) for item in history) for history in histories)
        if key != self._last[0]:
            distinct = {history: row for row, history in enumerate(dict.fromkeys(key))}
            rows = [distinct[history] for history in key]
            asked = [np.array(history, np.int64) for history in distinct]
            self._last = (
                key,
                {name: part.catalogue_scores(asked)[rows, : self.n_items] for name, part in self.parts.items()},
            )
        return self._last[1]


def _sum(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    total: np.ndarray = np.stack(list(parts.values())).sum(axis=0, dtype=np.float32)
    return total
