"""What is to be explained, the explanandum: one recommendation of a run, its models, one history, its candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine.data import Catalogue, match_titles
from engine.data.references import by_id
from engine.data.titles import exact_items, referred
from engine.errors import StudioError
from engine.explain.predictor import Instance, Predictor
from engine.explain.removal import Delete, Placeholder, RandomItem, Removal
from engine.explain.row_predictors import RowPredictors, is_llm
from engine.models import Models
from engine.recommend import MatchedTitle
from engine.variants import LLMVariants

DRAWS = 3
"""Random items put in the place of a removed one, whose effects are averaged."""
POOL = 4
"""Replacements tried for each item of the history in the search for counterfactuals."""


@dataclass(frozen=True)
class Explanandum:
    """Everything that explanations of one recommendation ask."""

    models: Models
    catalogue: Catalogue
    """The data set's, then one's own titles, then the one that says nothing."""
    entries: tuple[MatchedTitle, ...]
    """The history as the language model reads it, oldest first."""
    rows: RowPredictors
    row: str
    """The row of the results table that answers, and whose reasons are asked for ..."""
    other: str
    """... and the one that stands beside it."""
    instance: Instance
    true_item: int | None
    """What the user really chose next; ``None`` for a history of one's own."""
    notes: tuple[str, ...]
    """What the reader must know: unknown titles, titles that are too old to be read, changed candidates."""
    seen: frozenset[int]
    """All items that are not recommended again: the history, and what came before it however long ago."""
    rival: int | None = None
    """Column of the candidate that the explained one is held against; the strongest other one if ``None``."""

    def __post_init__(self) -> None:
        if self.rival == self.instance.target:
            name = self.called(int(self.instance.candidates[self.instance.target]))
            remedy = "choose another one to compare with, or another item to explain"
            raise StudioError(f"{name} is what is explained: it cannot be its own rival", where="rival", remedy=remedy)

    @property
    def model(self) -> Predictor:
        """The row that answers."""
        return self.ask(self.row)

    @property
    def beside(self) -> Predictor:
        return self.ask(self.other)

    def ask(self, row: str) -> Predictor:
        """Any row of the run about the same history and candidates; what it answered before is remembered."""
        return self.rows.of(row, self.instance)

    @cached_property
    def variants(self) -> LLMVariants:
        return LLMVariants(self.models, self.catalogue)

    @property
    def plus_weights(self) -> dict[str, float] | None:
        """How much DELRec-plus goes by each part's opinion of candidates, by name; ``None`` without it.

        The first is the run's teacher or ``ensemble``.
        """
        if self.models.plus is None:
            return None
        return self.models.plus.catalogue if self.rows.whole else self.models.plus.candidates

    @cached_property
    def popularity(self) -> np.ndarray:
        """int64 ``[items]``: training interactions."""
        return self.models.split.popularity()

    def title(self, item: int) -> str:
        """What the language model reads of an item."""
        return self.catalogue.display(item)

    def called(self, item: int) -> str:
        """What people tell an item by: its id stands beside the title where another looks like it."""
        return self.catalogue.choice(item).title

    @property
    def has_look_alikes(self) -> bool:
        """Whether an item of the history or a candidate looks like another of the catalogue."""
        items = (*self.instance.history.tolist(), *self.instance.candidates.tolist())
        return any(self.called(item) != self.title(item) for item in items)

    def about(self, column: int) -> Explanandum:
        """The same recommendation and what was asked of it, explaining the candidate in this column."""
        return replace(self, instance=replace(self.instance, target=column))

    def against(self, column: int) -> Explanandum:
        """The same, held against the candidate in this column.

        Raises:
            StudioError: that is the one explained.
        """
        return replace(self, rival=column)

    def column(self, item: str, where: str = "item") -> int | None:
        """Where the item meant by a title or an id of the data set stands among the candidates, if it does.

        Raises:
            StudioError: no such item.
        """
        found = np.flatnonzero(self.instance.candidates == find_item(self.models.dataset.catalogue, item, where))
        return int(found[0]) if len(found) else None

    def operators(self, row: str) -> list[Removal]:
        """The removal operators; for rows that read no titles, without the placeholder, and without random items where
        history and candidates are the whole catalogue."""
        taken = np.concatenate([self.instance.history, self.instance.older, self.instance.candidates])
        drawn = RandomItem(self.popularity, taken, DRAWS, self.models.config.seed)
        placeholder = [Placeholder(len(self.catalogue) - 1)] if is_llm(row) else []
        return [Delete(), *placeholder, *([drawn] if len(drawn.allowed) else [])]

    def pool(self) -> list[int]:
        """Ids to put into the history: what most often goes before the strongest rivals of the top answer."""
        scores = self.model.full()
        rivals = self.instance.candidates[np.argsort(-scores, kind="stable")[1:]]
        pool: dict[int, None] = {}
        for rival in rivals:
            pool |= dict.fromkeys(self.unseen_before(int(rival))[:1])
            if len(pool) == POOL:
                break
        return list(pool)

    def unseen_before(self, item: int) -> list[int]:
        """Ids of what goes right before ``item`` in training, most often first; no candidate, and nothing seen."""
        before = [int(items[i - 1]) for items in self.models.split.train for i in np.flatnonzero(items == item) if i]
        counts = np.bincount(np.array(before, np.int64), minlength=1)
        taken = self.seen | {*self.instance.candidates.tolist()}
        order = np.argsort(-counts, kind="stable").tolist()
        return [other for other in order if counts[other] and other not in taken]


def find_item(catalogue: Catalogue, text: str, where: str = "item") -> int:
    """The item meant by ``id:50``, a title that is exactly so, a bare id, or a title that is forgiven, in this order.

    Raises:
        StudioError: no item is close enough, none has that id, or several are called exactly so.
    """
    item = referred(catalogue, text, where)
    exact = exact_items(catalogue, text) if item is None else [item]
    if len(exact) > 1:
        named = " or ".join(f"{by_id(catalogue.raw_ids[item])} ({catalogue.display(item)})" for item in exact[:5])
        raise StudioError(f"{len(exact)} items are called {text[:80]!r}", where=where, remedy=f"write {named}")
    item = exact[0] if exact else catalogue.item_of(text.strip())
    if item is not None:
        return item
    match = match_titles(catalogue, [text])[0]
    if match.item is not None:
        return match.item
    close = "; ".join(catalogue.choice(item).title for item in match.suggestions)
    raise StudioError(
        f"no item {text[:80]!r}", where=where, remedy=f"did you mean {close}?" if close else "write a known title"
    )
