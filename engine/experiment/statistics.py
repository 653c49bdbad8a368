"""Figures of variants over seeds and users, and whether two variants differ.

Two kinds of doubt are kept apart and named: the *standard deviation over seeds* says how much another seed changes a
mean over users, the *interval over users* how much other users would, the seeds being these. Differences are tested
by flipping signs: a user's differences, summed over the seeds that both variants have, are as likely to point the other
way if neither is better. Users are exchanged whole, because their seeds are no new users. p-values of several
comparisons are corrected by Holm's procedure, which holds whatever their dependence.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.evaluate.paired import UserMetrics
from engine.metrics.bootstrap import LEVEL, Interval
from engine.seeds import generator

SAMPLES = 2000
FLIPS = 10_000
CELLS = 6_000_000
"""Numbers drawn at once."""
TEST = (
    f"two-sided sign-flip test of paired differences, each user's summed over seeds, {FLIPS:,} flips;"
    " p corrected by Holm for all comparisons of this table"
)


@dataclass(frozen=True)
class SeedSpread:
    """A metric of one variant."""

    mean: float
    """Over seeds, each of them a mean over its users."""
    deviation: float | None
    """Standard deviation over seeds; ``None`` of one seed."""
    seeds: int
    users: Interval
    """The same mean with its 95 % interval over users (percentile bootstrap, users drawn with all their seeds)."""


@dataclass(frozen=True)
class Difference:
    """How much a variant is above another, on the questions that both were asked."""

    difference: Interval
    """With its 95 % interval over users, as of :class:`SeedSpread`."""
    seeds: int
    better: int
    """Seeds in which it is above."""
    p: float
    holm: float
    """The p-value after :func:`holm`."""


def spread(runs: Mapping[int, UserMetrics], metric: str) -> SeedSpread:
    """Of one variant, by seed. Raises :class:`ValueError` where there is no seed."""
    if not runs:
        raise ValueError("no seed")
    means = [float(it.metrics[metric].mean()) for it in runs.values()]
    users = np.concatenate([it.users for it in runs.values()])
    values = np.concatenate([it.metrics[metric] for it in runs.values()])
    weights = np.concatenate([np.full(len(it.users), 1 / len(it.users)) for it in runs.values()])
    deviation = float(np.std(means, ddof=1)) if len(means) > 1 else None
    return SeedSpread(float(np.mean(means)), deviation, len(means), _interval(users, values, weights))


def differences(
    variants: Mapping[str, Mapping[int, UserMetrics]], baseline: str, metric: str
) -> dict[str, Difference | None]:
    """Of every variant to the one called ``baseline``; ``None`` where no seed of both asked the same questions."""
    base = variants[baseline]
    found: dict[str, Difference | None] = {}
    for name, runs in variants.items():
        if name == baseline:
            continue
        pairs = [(runs[seed], base[seed]) for seed in runs if seed in base and _paired(runs[seed], base[seed])]
        found[name] = _difference(pairs, metric) if pairs else None
    known = {name: it for name, it in found.items() if it is not None}
    corrected = holm([it.p for it in known.values()])
    for (name, it), p in zip(known.items(), corrected, strict=True):
        found[name] = Difference(it.difference, it.seeds, it.better, it.p, p)
    return found


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): the smallest times n, the next times n - 1, and so on."""
    order = sorted(range(len(p)), key=lambda place: p[place])
    corrected, highest = [0.0] * len(p), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = highest
    return corrected


def sign_flip(sums: np.ndarray, seed: int = 0) -> float:
    """Two-sided p-value of ``sums`` ``[users]`` being as likely below zero as above.

    The observed signs count among the flips, so that p is never 0 (Phipson and Smyth 2010). Users without a difference
    have no say; up to 13 others are enumerated instead of drawn.
    """
    apart = sums[sums != 0]
    if not len(apart):
        return 1.0
    observed, bound = abs(float(sums.sum())), 1e-5 * float(np.abs(sums).sum())
    if 2 ** len(apart) <= FLIPS:
        sums = apart
        every = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((np.abs(every @ sums) >= observed - bound).mean())
    single = sums.astype(np.float32)  # as the signs: else all of these would be turned each time
    drawn = _chunks(_signs, FLIPS, len(sums), seed)
    extreme = sum(int((np.abs(signs @ single) >= observed - bound).sum()) for signs in drawn)
    return (extreme + 1) / (FLIPS + 1)


def _chunks(draw: Callable[[int, int, int], np.ndarray], rows: int, n: int, seed: int) -> Iterator[np.ndarray]:
    """``rows`` draws of ``n`` in arrays of at most :data:`CELLS` numbers; what fits into one is drawn once for all."""
    step = max(1, CELLS // n)
    for start in range(0, rows, step):
        yield draw(min(step, rows - start), n, seed + start)


@functools.lru_cache(maxsize=4)
def _signs(rows: int, n: int, seed: int) -> np.ndarray:
    random = generator(seed, "sign flips")
    return 1 - 2 * random.integers(0, 2, (rows, n), dtype=np.int8).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _counts(rows: int, n: int, seed: int) -> np.ndarray:
    """How often each of ``n`` users is drawn in a resample."""
    random = generator(seed, "experiment", "bootstrap")
    return random.multinomial(n, np.full(n, 1 / n), size=rows).astype(np.float32)


def _paired(a: UserMetrics, b: UserMetrics) -> bool:
    return np.array_equal(a.users, b.users) and np.array_equal(a.questions, b.questions)


def _difference(pairs: Sequence[tuple[UserMetrics, UserMetrics]], metric: str) -> Difference:
    values = [a.metrics[metric] - b.metrics[metric] for a, b in pairs]
    users = np.concatenate([a.users for a, _ in pairs])
    weights = np.concatenate([np.full(len(it), 1 / len(it)) for it in values])
    flat = np.concatenate(values)
    _, place = np.unique(users, return_inverse=True)
    p = sign_flip(np.bincount(place, flat * weights))
    better = sum(float(it.mean()) > 0 for it in values)
    return Difference(_interval(users, flat, weights), len(pairs), better, p, p)


def _interval(users: np.ndarray, values: np.ndarray, weights: np.ndarray) -> Interval:
    """Weighed mean, with the ends of its interval over users, who are drawn with all that they were asked."""
    _, place = np.unique(users, return_inverse=True)
    sums, shares = np.bincount(place, values * weights), np.bincount(place, weights)
    both = np.stack([sums, shares], axis=1).astype(np.float32)
    drawn = np.concatenate([counts @ both for counts in _chunks(_counts, SAMPLES, len(sums), 0)])
    means = drawn[:, 0] / drawn[:, 1]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(sums.sum() / shares.sum()), float(low), float(high))
