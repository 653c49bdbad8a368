"""What order does: the history's should matter to a sequential model, the candidates' should not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.explain.predictor import Predictor, margins, probabilities, ranks
from engine.seeds import generator

SHUFFLES = 8


@dataclass(frozen=True)
class Spread:
    """A quantity over shuffles: mean and standard deviation."""

    mean: float
    sd: float


@dataclass(frozen=True)
class OrderEffects:
    """Effects of the history's order on the target's margin."""

    model: str
    swaps: np.ndarray
    """float64 ``[n - 1]``: margin as it is minus the margin with items i and i + 1 exchanged."""
    shuffled_margin: Spread | None
    """Over random orders; ``None`` for a history of one title, as the two below."""
    shuffled_rank: Spread | None
    same_top: float | None
    """Share of the random orders after which the same candidate comes first."""


@dataclass(frozen=True)
class Stability:
    """The target's place when nothing changes but the order in which the candidates are listed."""

    model: str
    shuffles: int
    rank: Spread
    margin: Spread
    probability: Spread
    same_top: float
    """Share of the shuffles with the same first candidate as in the given order."""


def order_effects(predictor: Predictor, seed: int, shuffles: int = SHUFFLES) -> OrderEffects:
    """Swaps of neighbours and ``shuffles`` random orders of the history, in one call."""
    history, target = predictor.instance.history, predictor.instance.target
    n = len(history)
    swapped = []
    for i in range(n - 1):
        order = np.arange(n)
        order[[i, i + 1]] = i + 1, i
        swapped.append(history[order])
    random = generator(seed, "order", n)
    shuffled = [random.permutation(history) for _ in range(shuffles)] if n > 1 else []
    scores = predictor.scores([history, *swapped, *shuffled])
    full, mixed = scores[0], scores[n:]
    return OrderEffects(
        predictor.name,
        float(margins(full, target)) - margins(scores[1:n], target),
        _spread(margins(mixed, target)) if n > 1 else None,
        _spread(ranks(mixed, target)) if n > 1 else None,
        float((mixed.argmax(axis=1) == full.argmax()).mean()) if n > 1 else None,
    )


def stability(predictor: Predictor, seed: int, shuffles: int = SHUFFLES) -> Stability:
    """Ask again with the candidates in ``shuffles`` random orders; one call."""
    target, m = predictor.instance.target, len(predictor.instance.candidates)
    random = generator(seed, "stability", m)
    scores = predictor.reordered([random.permutation(m) for _ in range(shuffles)])
    return Stability(
        predictor.name,
        shuffles,
        _spread(ranks(scores, target)),
        _spread(margins(scores, target)),
        _spread(probabilities(scores, target)),
        float((scores.argmax(axis=1) == predictor.full().argmax()).mean()),
    )


def _spread(values: np.ndarray) -> Spread:
    return Spread(float(values.mean()), float(values.std()))
