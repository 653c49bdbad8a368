"""How far a model ranks like the teacher on the same candidates (falsification tests build on it)."""

from __future__ import annotations

import numpy as np

from engine.metrics.ranks import Ranks, hit_rate

AGREEMENT = ("top-1", "overlap@5", "kendall-tau")
CELLS = 2**20
"""Pairs of candidates looked at together, a byte or four each: memory does not grow with the number of examples."""


def agreement(scores: np.ndarray, teacher: np.ndarray) -> dict[str, np.ndarray]:
    """Agreement of two score arrays ``[n, m]``, per example, float64 ``[n]`` each.

    ``top-1``: 1 where both put the same candidate first. ``overlap@5``: share of the best five in common.
    ``kendall-tau``: tau-b, -1 to 1. Ties count as if broken at random, independently in both lists; a list without
    any order has tau 0.
    """
    n, m = scores.shape
    found = {name: np.empty(n) for name in AGREEMENT}
    step = max(1, CELLS // m**2)
    for begin in range(0, n, step):
        part = slice(begin, begin + step)
        a, b = _above(scores[part]), _above(teacher[part])
        found["top-1"][part] = _overlap(a, b, 1)
        found["overlap@5"][part] = _overlap(a, b, 5)
        found["kendall-tau"][part] = _tau(a, b)
    return found


def kendall_tau(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b of two lists of scores ``[m]``; 0 where either has no order at all."""
    return float(_tau(_above(a[None]), _above(b[None]))[0])


def _above(scores: np.ndarray) -> np.ndarray:
    """bool ``[n, m, m]``: whether the first candidate of each pair has the higher score."""
    higher: np.ndarray = scores[:, :, None] > scores[:, None, :]
    return higher


def _overlap(a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[n]``: share of the best ``k`` in common, as each candidate's chances to be among them have it."""
    m = a.shape[1]
    chances = [hit_rate(Ranks(it.sum(axis=1), m - 1 - it.sum(axis=1) - it.sum(axis=2)), k) for it in (a, b)]
    common: np.ndarray = np.einsum("nm,nm->n", *chances) / min(k, m)
    return common


def _tau(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float64 ``[n]``; counts of pairs are exact."""
    alike = np.count_nonzero(a & b, axis=(1, 2))  # every pair once: as it is ordered in both
    against = np.count_nonzero(a & b.transpose(0, 2, 1), axis=(1, 2))
    ordered = np.sqrt(np.count_nonzero(a, axis=(1, 2)).astype(float) * np.count_nonzero(b, axis=(1, 2)))
    result: np.ndarray = np.divide(alike - against, ordered, out=np.zeros(len(a)), where=ordered > 0)
    return result
