"""Percentile bootstrap over users: 95 % intervals of means and of paired differences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.seeds import generator

LEVEL = 0.95
_CELLS = 2_000_000  # resample counts held at once: 16 MB


class Interval(NamedTuple):
    """A mean with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Bootstrap:
    """Resamples of users, the same for every value it is asked about: all models are compared on equal draws.

    An interval of values that are all alike has no width: that a model never hit among few users says less than such
    an interval seems to.
    """

    def __init__(self, users: int, samples: int, seed: int) -> None:
        self.users = users
        self.samples = samples
        self.seed = seed

    def interval(self, values: np.ndarray) -> Interval:
        """Mean of ``values`` ``[users]`` with its 95 % interval."""
        return self.intervals(np.asarray(values)[:, None])[0]

    def paired_difference(self, a: np.ndarray, b: np.ndarray) -> Interval:
        """Mean of ``a - b``, both ``[users]`` in the same order, with its 95 % interval."""
        return self.interval(np.asarray(a, dtype=np.float64) - b)

    def intervals(self, values: np.ndarray) -> list[Interval]:
        """One interval per column of ``values`` ``[users, columns]``, in one pass over the resamples."""
        values = np.asarray(values, dtype=np.float64)
        origin = values[0]  # deviations from one row: equal values then give an interval of exactly that value
        deviations = values - origin
        means = np.empty((self.samples, values.shape[1]))
        random = generator(self.seed, "bootstrap")
        chances = np.full(self.users, 1 / self.users)
        step = max(1, _CELLS // self.users)
        for start in range(0, self.samples, step):
            counts = random.multinomial(self.users, chances, size=min(step, self.samples - start))
            means[start : start + len(counts)] = counts.astype(np.float64) @ deviations / self.users
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0) + origin
        value = deviations.mean(axis=0) + origin
        return [Interval(*map(float, column)) for column in zip(value, low, high, strict=True)]
