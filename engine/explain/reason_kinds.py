"""Kinds of reasons: what a title of the history has to do with the item that is recommended, so that it can be counted.

Definitions stand in ``docs/measures.md``; a title may be of several kinds, or of none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.data import Catalogue
from engine.data.titles import series_of

RECENT = 3
"""The last titles of a history."""
POPULAR = 0.1
"""Share of the catalogue that counts as popular, those chosen most."""
YEARS = 2
"""Apart at most, to be of the same time."""
ALIKE = 0.5
"""Of the genres of both, so many are shared at least."""


class ItemRelations:
    """What kinds are told by: the catalogue, and the training sequences.

    Args:
        train: int64 item ids per user, oldest first.
    """

    def __init__(self, catalogue: Catalogue, train: Sequence[np.ndarray]) -> None:
        self.catalogue = catalogue
        items = len(catalogue)
        counts = np.bincount(np.concatenate([*train, np.empty(0, np.int64)]), minlength=items)
        least = np.sort(counts)[-max(1, round(POPULAR * items))]
        self.popular = counts >= max(1, least)
        """bool ``[items]``."""
        self._followed = np.unique(np.concatenate([seq[:-1] * items + seq[1:] for seq in train] or [np.empty(0)]))
        self.series = [series_of(title) for title in catalogue.titles]

    def recent(self, history: np.ndarray, _: int) -> np.ndarray:
        return np.arange(len(history)) >= len(history) - RECENT

    def genre(self, history: np.ndarray, target: int) -> np.ndarray:
        genres = set(self.catalogue.genres[target])

        def shared(item: int) -> bool:
            own = set(self.catalogue.genres[item])
            return bool(own & genres) and len(own & genres) >= ALIKE * len(own | genres)

        return _each(history, shared)

    def same_series(self, history: np.ndarray, target: int) -> np.ndarray:
        return _each(history, lambda item: self.series[item] == self.series[target])

    def brand(self, history: np.ndarray, target: int) -> np.ndarray:
        brand = self.catalogue.brands[target].casefold()
        return _each(history, lambda item: bool(brand) and self.catalogue.brands[item].casefold() == brand)

    def time(self, history: np.ndarray, target: int) -> np.ndarray:
        years, year = self.catalogue.years, self.catalogue.years[target]

        def near(item: int) -> bool:
            own = years[item]
            return own is not None and year is not None and abs(own - year) <= YEARS

        return _each(history, near)

    def followed(self, history: np.ndarray, target: int) -> np.ndarray:
        return np.isin(history * len(self.catalogue) + target, self._followed)

    def much_chosen(self, history: np.ndarray, _: int) -> np.ndarray:
        held: np.ndarray = self.popular[history]
        return held


def _each(history: np.ndarray, holds: Callable[[int], bool]) -> np.ndarray:
    return np.array([holds(item) for item in history.tolist()], bool)


def _always(_: Catalogue) -> bool:
    return True


@dataclass(frozen=True)
class ReasonKind:
    """A kind of reasons.

    Args:
        words: what people read for it.
        meaning: its definition, of a title of the history.
        holds: bool ``[n]``, which titles of an int64 history ``[n]`` are of it where an item is recommended.
        there: whether a catalogue tells what it takes.
        lacks: what is missing where it does not.
    """

    words: str
    meaning: str
    holds: Callable[[ItemRelations, np.ndarray, int], np.ndarray]
    there: Callable[[Catalogue], bool] = _always
    lacks: str = ""


KINDS: dict[str, ReasonKind] = {
    "recent": ReasonKind("recent titles", f"one of the last {RECENT} that are read", ItemRelations.recent),
    "followed": ReasonKind(
        "titles that it came after",
        "somebody in the training data chose the recommended item right after it",
        ItemRelations.followed,
    ),
    "genre": ReasonKind(
        "titles of the same genre", f"it shares at least {ALIKE:.0%} of the genres of both", ItemRelations.genre,
        lambda catalogue: any(catalogue.genres), "genres",
    ),
    "series": ReasonKind(
        "titles of the same series", "the two are called the same but for number and subtitle",
        ItemRelations.same_series,
    ),
    "brand": ReasonKind(
        "titles of the same brand", "it is of the same brand, author or developer", ItemRelations.brand,
        lambda catalogue: any(catalogue.brands), "brands",
    ),
    "time": ReasonKind(
        "titles of the same time", f"it came out at most {YEARS} years before or after", ItemRelations.time,
        lambda catalogue: sum(year is not None for year in catalogue.years) > 1, "years",
    ),
    "popular": ReasonKind(
        "popular titles", f"among the {POPULAR:.0%} of all items chosen most", ItemRelations.much_chosen
    ),
}  # fmt: skip
"""By name."""


def kinds_of(catalogue: Catalogue) -> tuple[dict[str, ReasonKind], list[str]]:
    """The kinds that this catalogue lets one tell apart, and what it lacks for the others."""
    there = {name: kind for name, kind in KINDS.items() if kind.there(catalogue)}
    return there, [kind.lacks for name, kind in KINDS.items() if name not in there]
