"""What order does: the history's should matter to a sequential model, the candidates' should not."""

from __future__ import annotations

import numpy as np

from engine.explain.predictor import Predictor, margins, probabilities, ranks
from engine.explain.report_parts import OrderOfHistory, Spread, Stability
from engine.seeds import generator

SHUFFLES = 8


def order_effects(predictor: Predictor, seed: int, shuffles: int = SHUFFLES) -> OrderOfHistory:
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
    return OrderOfHistory(
        model=predictor.name,
        swaps=(float(margins(full, target)) - margins(scores[1:n], target)).tolist(),
        shuffled_margin=_spread(margins(mixed, target)) if n > 1 else None,
        shuffled_rank=_spread(ranks(mixed, target)) if n > 1 else None,
        same_top=float((mixed.argmax(axis=1) == full.argmax()).mean()) if n > 1 else None,
    )


def stability(predictor: Predictor, seed: int, shuffles: int = SHUFFLES) -> Stability:
    """Ask again with the candidates in ``shuffles`` random orders; one call."""
    target, m = predictor.instance.target, len(predictor.instance.candidates)
    random = generator(seed, "stability", m)
    scores = predictor.reordered([random.permutation(m) for _ in range(shuffles)])
    return Stability(
        model=predictor.name,
        shuffles=shuffles,
        rank=_spread(ranks(scores, target)),
        margin=_spread(margins(scores, target)),
        probability=_spread(probabilities(scores, target)),
        same_top=float((scores.argmax(axis=1) == predictor.full().argmax()).mean()),
    )


def _spread(values: np.ndarray) -> Spread:
    return Spread(mean=float(values.mean()), sd=float(values.std()))
