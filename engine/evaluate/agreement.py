"""How far a model ranks like the teacher on the same candidates (falsification tests build on it)."""

from __future__ import annotations

import numpy as np

from engine.evaluate.metrics import chance_in_top

AGREEMENT = ("top-1", "overlap@5", "kendall-tau")


def agreement(scores: np.ndarray, teacher: np.ndarray) -> dict[str, np.ndarray]:
    """Agreement of two score arrays ``[n, m]``, per example, float64 ``[n]`` each.

    ``top-1``: 1 where both put the same candidate first. ``overlap@5``: share of the best five in common.
    ``kendall-tau``: tau-b, -1 to 1. Ties count as if broken at random, independently in both lists; a list without
    any order has tau 0.
    """
    pairs = list(zip(scores, teacher, strict=True))
    return {
        "top-1": np.array([_overlap(a, b, 1) for a, b in pairs]),
        "overlap@5": np.array([_overlap(a, b, 5) for a, b in pairs]),
        "kendall-tau": np.array([kendall_tau(a, b) for a, b in pairs]),
    }


def kendall_tau(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b of two lists of scores ``[m]``; 0 where either has no order at all."""
    signs_a = _pair_signs(a)
    signs_b = _pair_signs(b)
    ordered = np.count_nonzero(signs_a) * np.count_nonzero(signs_b)
    return float((signs_a * signs_b).sum() / np.sqrt(ordered)) if ordered else 0.0


def _overlap(a: np.ndarray, b: np.ndarray, k: int) -> float:
    return float(chance_in_top(a, k) @ chance_in_top(b, k)) / min(k, len(a))


def _pair_signs(scores: np.ndarray) -> np.ndarray:
    signs: np.ndarray = (scores[:, None] > scores[None, :]).astype(np.float32)
    return signs - signs.T
