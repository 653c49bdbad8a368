"""What removing history items by an order of importance does: ERASER's measures (DeYoung et al. 2020), and limits.

*Comprehensiveness* is p(full) - p(without the first k), *sufficiency* p(full) - p(only the first k), both averaged over
k = 1..n (AOPC); higher and lower are better. p is the target's probability among the candidates. How large they can get
depends on the model and the history, so they are also told as shares of the way between the lowest and the highest that
any order was found to reach (Edin et al., arXiv 2408.08137).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.explain.predictor import Predictor, probabilities

ROUNDING = 1e-6
"""Differences of probabilities up to here are those of arithmetic, not of orders."""


@dataclass(frozen=True)
class Curves:
    """What one order of one history does to the target's probability; float64 ``[n]`` each, for k = 1..n."""

    comprehensiveness: np.ndarray
    sufficiency: np.ndarray

    @property
    def reversed(self) -> float:
        """Mean comprehensiveness of the same order from its end: only the first k stay when the last n - k go."""
        return float(self.sufficiency.mean() + self.comprehensiveness[-1] / len(self.comprehensiveness))


@dataclass(frozen=True)
class Limits:
    """The lowest and the highest mean comprehensiveness that an order of one history was found to reach."""

    low: float
    high: float

    @property
    def apart(self) -> bool:
        """Whether the order makes a difference at all; it does not for a single title."""
        return self.high - self.low > ROUNDING

    def normalised(self, curves: Curves) -> dict[str, float]:
        """Both measures as shares of the way from the lowest to the highest; 1 and 0 are the best that was found."""
        return {
            "comprehensiveness": self._share(float(curves.comprehensiveness.mean())),
            "sufficiency": self._share(curves.reversed),
        }

    def _share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


def erasure(predictor: Predictor, importance: np.ndarray) -> Curves:
    """Remove the most important items (``importance [n]``), and all but them, one more at a time; one call."""
    history, target = predictor.instance.history, predictor.instance.target
    order = np.argsort(-np.asarray(importance), kind="stable")
    n = len(history)
    without = [np.delete(history, order[:k]) for k in range(1, n + 1)]
    only = [np.delete(history, order[k:]) for k in range(1, n + 1)]
    p = probabilities(predictor.scores([history, *without, *only]), target)
    return Curves(p[0] - p[1 : n + 1], p[0] - p[n + 1 :])


def limits(predictor: Predictor, measured: Sequence[Curves]) -> Limits:
    """The limits by two greedy searches; orders that were ``measured`` count too, forwards and backwards.

    One search removes at each step the item that costs the target most, the other the one that costs least. All
    ``n (n + 1)`` variants at most go to the model in ``n`` calls. The true limits may lie further apart: only all
    ``n!`` orders could tell.
    """
    history, target = predictor.instance.history, predictor.instance.target
    left = [history, history]
    losses = np.empty((2, len(history)))
    full = float(probabilities(predictor.full(), target))
    for step in range(len(history)):
        variants = [[np.delete(kept, place) for place in range(len(kept))] for kept in left]
        p = probabilities(predictor.scores([variant for one in variants for variant in one]), target).reshape(2, -1)
        chosen = int(p[0].argmin()), int(p[1].argmax())
        left = [one[place] for one, place in zip(variants, chosen, strict=True)]
        losses[:, step] = full - p[[0, 1], chosen]
    means = [*losses.mean(axis=1), *(c.comprehensiveness.mean() for c in measured), *(c.reversed for c in measured)]
    return Limits(float(min(means)), float(max(means)))
