"""The smallest change of the history that changes the top answer, found by asking and verified by asking again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np

from engine.explain.predictor import Predictor, ranks
from engine.explain.report_parts import Change, Counterfactual

BUDGET = 60
"""Variants that a search may ask."""
TOGETHER = 24
"""Variants asked in one call, most promising first."""
LARGEST = 3
"""Sets up to this size are tried one by one; larger ones are grown by effect and then thinned out."""


class _Finder:
    """Counts what is asked; variants that are known already cost nothing."""

    def __init__(self, predictor: Predictor, budget: int) -> None:
        self.predictor = predictor
        self.history = predictor.instance.history
        self.top = int(predictor.full().argmax())
        self.left = budget
        self.spent = 0

    def changing(self, histories: Sequence[np.ndarray], *, first: bool = True) -> tuple[list[int], bool]:
        """Indices of the histories after which another candidate comes first, and whether the budget sufficed.

        With ``first`` the search ends with the call in which one is found.
        """
        changing: list[int] = []
        start = 0
        while start < len(histories) and self.left > 0 and not (first and changing):
            part = histories[start : start + min(TOGETHER, self.left)]
            before = self.predictor.asked
            tops = self.predictor.scores(part).argmax(axis=1)
            changing += [start + int(i) for i in np.flatnonzero(tops != self.top)]
            self.left -= self.predictor.asked - before
            self.spent += self.predictor.asked - before
            start += len(part)
        return changing, bool(changing) or start >= len(histories)

    def without(self, positions: Sequence[int]) -> np.ndarray:
        return np.delete(self.history, list(positions))

    def replaced(self, positions: Sequence[int], items: Sequence[int]) -> np.ndarray:
        changed = self.history.copy()
        changed[list(positions)] = items
        return changed

    def verified(
        self, kind: Literal["removal", "replacement"], places: Sequence[int], put: Sequence[int], smallest: bool
    ) -> Change:
        scores = self.predictor.fresh(self.replaced(places, put) if kind == "replacement" else self.without(places))
        candidates = self.predictor.instance.candidates
        return Change(
            kind=kind,
            positions=tuple(map(int, places)),
            replacements=tuple(map(int, put)),
            top_before=int(candidates[self.top]),
            top_after=int(candidates[scores.argmax()]),
            rank_after=float(ranks(scores[None], self.top)[0]),
            smallest=smallest,
            verified=bool(scores.argmax() != self.top),
        )


def counterfactual(
    predictor: Predictor, effects: np.ndarray, pool: Sequence[int] = (), *, budget: int = BUDGET, largest: int = LARGEST
) -> Counterfactual:
    """Search removals of one item, of two, of three, then larger ones grown by effect; then single replacements.

    Args:
        effects: float ``[n]``, how much each item speaks for the top answer; says what to try first.
        pool: items that may replace one of the history, most wanted first.
        budget: most variants asked; a third of it is kept for replacements if there are any.
    """
    finder = _Finder(predictor, budget - budget // 3 if len(pool) else budget)
    order = np.argsort(-np.asarray(effects), kind="stable").tolist()
    n = len(order)
    alone, complete = finder.changing([finder.without([i]) for i in order], first=False)
    found: tuple[int, ...] | None = (order[alone[0]],) if alone else None
    for size in range(2, min(largest, n) + 1):
        if found or not complete:
            break
        weighed = sorted(combinations(order, size), key=lambda places: -sum(effects[i] for i in places))
        changing, complete = finder.changing([finder.without(places) for places in weighed])
        found = weighed[changing[0]] if changing else None
    smallest = found is not None
    if found is None:
        found = _grown(finder, order)
    removal = finder.verified("removal", sorted(found), (), smallest) if found else None
    finder.left = budget - finder.spent
    removal = removal if removal and removal.verified else None
    return Counterfactual(
        removal=removal,
        replacement=_replacement(finder, order, pool),
        single_changes=tuple(sorted(order[i] for i in alone)),
        asked=finder.spent,
        complete=complete,
        sentence=_sentence(len(alone), removal),
    )


def _sentence(alone: int, removal: Change | None) -> str:
    """What the search says about single removals, plainly; ``alone``: how many of them change the top answer."""
    if alone:
        return f"Removing a single title changes the top answer ({alone} of them {'do' if alone > 1 else 'does'})."
    if removal:
        return f"No single removal changes it; removing {len(removal.positions)} titles does."
    return "No single removal changes it, nor any larger one that was tried."


def _grown(finder: _Finder, order: list[int]) -> tuple[int, ...] | None:
    """The shortest run of the strongest items whose removal changes the top, without those that are not needed."""
    finder.left = max(finder.left, 2 * len(order))  # cheap, and the last chance to find anything
    runs = [tuple(order[:size]) for size in range(2, len(order))]
    changing, _ = finder.changing([finder.without(places) for places in runs])
    if not changing:
        return None
    grown = runs[changing[0]]
    for item in reversed(grown):
        fewer = tuple(i for i in grown if i != item)
        if finder.changing([finder.without(fewer)])[0]:
            grown = fewer
    return grown


def _replacement(finder: _Finder, order: list[int], pool: Sequence[int]) -> Change | None:
    """One item for another, the strongest item first."""
    tries = [(i, int(item)) for i in order for item in pool if item not in finder.history]
    changing, _ = finder.changing([finder.replaced([i], [item]) for i, item in tries])
    for index in changing:
        place, item = tries[index]
        found = finder.verified("replacement", [place], [item], smallest=True)
        if found.verified:
            return found
    return None
