"""What it means to remove an item from a history: three operators, because none of them is neutral."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from engine.seeds import generator

NEAREST = 50
"""A random item is drawn from so many of about the same popularity."""


class Removal(ABC):
    """Histories without some items; where several come back, an effect is the mean over them."""

    name: str

    @abstractmethod
    def without(self, history: np.ndarray, positions: Sequence[int]) -> list[np.ndarray]:
        """One or more variants of ``history`` (int64 ``[n]``) with the items at ``positions`` gone."""


class Delete(Removal):
    """The list becomes shorter. A language model sees fewer titles than in training."""

    name = "delete"

    def without(self, history: np.ndarray, positions: Sequence[int]) -> list[np.ndarray]:
        return [np.delete(history, list(positions))]


class Placeholder(Removal):
    """The title becomes "an unknown movie"; teachers, which read no titles, see a deletion.

    Args:
        item: id of the title that says nothing, in an extended catalogue.
    """

    name = "placeholder"

    def __init__(self, item: int) -> None:
        self.item = item

    def without(self, history: np.ndarray, positions: Sequence[int]) -> list[np.ndarray]:
        changed = history.copy()
        changed[list(positions)] = self.item
        return [changed]


class RandomItem(Removal):
    """The item becomes another one of about its popularity, several times; both models see a history of full length.

    Args:
        popularity: ``[items]`` training interactions of the catalogue's items.
        taken: ids that must not be drawn: history and candidates. Where they are all there are, nothing can be
            drawn, and the operator cannot be asked (``allowed`` is empty).
        draws: variants per removal.
        seed: of the draws, which depend on it, the history's length and the positions only.
    """

    name = "random"

    def __init__(self, popularity: np.ndarray, taken: np.ndarray, draws: int, seed: int) -> None:
        self.popularity = popularity
        self.allowed = np.setdiff1d(np.arange(len(popularity)), taken)
        self.draws = draws
        self.seed = seed

    def without(self, history: np.ndarray, positions: Sequence[int]) -> list[np.ndarray]:
        random = generator(self.seed, "removal", len(history), *positions)
        variants = [history.copy() for _ in range(self.draws)]
        used: set[int] = set()
        for position in positions:
            alike = self.alike(int(history[position]))
            fresh = np.setdiff1d(alike, list(used))
            pool = fresh if len(fresh) else alike
            drawn = random.choice(pool, self.draws, replace=self.draws > len(pool))
            for variant, item in zip(variants, drawn, strict=True):
                variant[position] = item
            used |= set(drawn.tolist())
        return variants

    def alike(self, item: int) -> np.ndarray:
        """int64: allowed items of the nearest popularity; a title of one's own may become any."""
        if item >= len(self.popularity):
            return self.allowed
        distance = np.abs(self.popularity[self.allowed] - self.popularity[item])
        return self.allowed[np.argsort(distance, kind="stable")[:NEAREST]]
