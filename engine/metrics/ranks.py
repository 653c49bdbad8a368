"""Where the true item lands, and HR@k and NDCG@k from it.

Tie rule: items with equal scores are thought of as standing in random order, and every metric is its expectation over
that order. So a model that gives all m candidates one score has HR@1 = 1/m exactly, and no position in the list, and no
item id, can favour the true item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.errors import StudioError

METRICS: dict[str, tuple[str, int]] = {
    "HR@1": ("HR", 1),
    "HR@5": ("HR", 5),
    "HR@10": ("HR", 10),
    "NDCG@5": ("NDCG", 5),
    "NDCG@10": ("NDCG", 10),
}
"""Names of the metrics in the order of the tables, with their kind and cut-off k."""

TIE_RULE = "equal scores count as if in random order (the metric's expectation)"


@dataclass(frozen=True)
class Ranks:
    """The true item's place per example, ties kept apart.

    ``better``: int64 ``[n]``, items with a higher score. ``tied``: int64 ``[n]``, other items with the same score.
    """

    better: np.ndarray
    tied: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """float64 ``[n]``: mean rank over the random order of ties; 1 is best."""
        return self.better + 1 + self.tied / 2


def target_columns(candidates: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """int64 ``[n]``: the column of each true item in ``candidates`` ``[n, m]``.

    Raises:
        ValueError: a true item does not stand exactly once among its candidates.
    """
    found = candidates == targets[:, None]
    if not (found.sum(axis=1) == 1).all():
        raise ValueError("the true item must stand exactly once among its candidates")
    result: np.ndarray = found.argmax(axis=1)
    return result


def target_ranks(scores: np.ndarray, columns: np.ndarray) -> Ranks:
    """Places of the true items, whose scores stand in ``columns`` ``[n]`` of ``scores`` ``[n, m]``."""
    own = np.take_along_axis(scores, columns[:, None], axis=1)
    return Ranks((scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1)


def hit_rate(ranks: Ranks, k: int) -> np.ndarray:
    """HR@k per example, float64 ``[n]``: the chance that the true item is among the first ``k``."""
    places = ranks.tied + 1
    result: np.ndarray = np.clip(k - ranks.better, 0, places) / places
    return result


def ndcg(ranks: Ranks, k: int) -> np.ndarray:
    """NDCG@k per example with one relevant item, float64 ``[n]``: expected 1/log2(rank + 1), 0 beyond ``k``."""
    gains = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    first = np.minimum(ranks.better, k)
    last = np.minimum(ranks.better + ranks.tied + 1, k)
    result: np.ndarray = (gains[last] - gains[first]) / (ranks.tied + 1)
    return result


def per_example(ranks: Ranks) -> dict[str, np.ndarray]:
    """Every metric of :data:`METRICS`, float64 ``[n]`` each; tables show their means, never their sums."""
    functions = {"HR": hit_rate, "NDCG": ndcg}
    return {name: functions[kind](ranks, k) for name, (kind, k) in METRICS.items()}


def checked_scores(name: str, scores: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``scores`` as float32 of ``shape``.

    Raises:
        StudioError: a score is not a number, which would rank arbitrarily.
        ValueError: another shape, a defect of the ranker.
    """
    scores = np.asarray(scores, dtype=np.float32)
    if scores.shape != shape:
        raise ValueError(f"{name} returned scores of shape {scores.shape}, expected {shape}")
    if np.isnan(scores).any():
        raise StudioError("scores are not numbers (NaN)", where=name, remedy="lower its learning rate or use float32")
    return scores
