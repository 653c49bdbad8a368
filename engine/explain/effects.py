"""Leave-one-out effects of history items on the score margin, and how far two vectors of them agree.

An effect is what the margin loses when the item is removed: positive effects speak for the target. Effects of single
items do not add up to the margin, because items act together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.explain.predictor import Predictor, margins, probabilities
from engine.explain.removal import Removal


@dataclass(frozen=True)
class LeaveOneOut:
    """One model's leave-one-out effects under one removal operator."""

    model: str
    target: int
    """Column of the candidate that is explained."""
    full: np.ndarray
    """float32 ``[m]``: scores after the whole history."""
    without: np.ndarray
    """float32 ``[n, draws, m]``: scores without each item, in every draw of the operator."""

    @property
    def margin(self) -> np.ndarray:
        """float64 ``[n]``: margin against the best other candidate, with the item minus without it."""
        result: np.ndarray = margins(self.full, self.target) - margins(self.without, self.target).mean(axis=1)
        return result

    @property
    def probability(self) -> np.ndarray:
        """float64 ``[n]``: the same for the target's probability among the candidates."""
        result: np.ndarray = probabilities(self.full, self.target) - probabilities(self.without, self.target).mean(
            axis=1
        )
        return result

    def rather_than(self, other: int) -> np.ndarray:
        """float64 ``[n]``: effects on the target's lead over column ``other``: why this one rather than that one."""
        lead = self.full[self.target] - np.float64(self.full[other])
        leads = self.without[:, :, self.target] - self.without[:, :, other].astype(np.float64)
        return np.asarray(lead - leads.mean(axis=1))


def leave_one_out(predictor: Predictor, operators: Sequence[Removal]) -> dict[str, LeaveOneOut]:
    """Effects by operator name. All variants of all operators go to the model in one call."""
    history = predictor.instance.history
    variants = [[operator.without(history, [i]) for i in range(len(history))] for operator in operators]
    flat = [history, *(variant for items in variants for draws in items for variant in draws)]
    scores = iter(predictor.scores(flat))
    full = next(scores)
    return {
        operator.name: LeaveOneOut(
            predictor.name,
            predictor.instance.target,
            full,
            np.array([[next(scores) for _ in draws] for draws in items]),
        )
        for operator, items in zip(operators, variants, strict=True)
    }


def sign_agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Share of items whose effects ``[n]`` point the same way; no effect agrees with no effect only."""
    return float((np.sign(a) == np.sign(b)).mean())


def spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's rank correlation of two vectors ``[n]``, ties by mean ranks; ``None`` where one has no order."""
    x, y = _mean_ranks(a), _mean_ranks(b)
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread > 0 else None


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    below = (values[None, :] < values[:, None]).sum(axis=1)
    same = (values[None, :] == values[:, None]).sum(axis=1)
    result: np.ndarray = below + (same - 1) / 2
    return result
