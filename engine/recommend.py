"""Recommendations for a history of one's own: the teacher's list and the LLM's, side by side.

As in the evaluation, the teacher orders the catalogue without the history, and the LLM re-orders the teacher's best.
Titles that the catalogue lacks are told to the LLM as they were typed; a teacher cannot know them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.bidi import isolated
from engine.data import Catalogue, match_titles
from engine.data.catalogue import ItemLabel
from engine.data.references import tidy
from engine.data.titles import referred
from engine.errors import StudioError
from engine.labels import label, plural
from engine.metrics.full import catalogue_listing, rerank_scores, sort_listing, top_items
from engine.metrics.ranks import checked_scores
from engine.ranking import CatalogueRanker, Ranker


@dataclass(frozen=True)
class MatchedTitle:
    """One title of the history as it was understood."""

    query: str
    """What was typed; the catalogue's title where the item was given by id."""
    item: int | None
    """Dense item id, or None for a title that the catalogue lacks."""
    title: str
    """What a reader tells the item by, see :meth:`engine.data.Catalogue.choice`, or the query."""
    suggestions: tuple[ItemLabel, ...] = ()
    """What else might have been meant, best first."""
    alike: tuple[ItemLabel, ...] = ()
    """Those among them that are exactly what was typed too."""
    reference: str | None = None
    """What asks for the very item, ``"id:50"``; None for a title that the catalogue lacks."""


@dataclass(frozen=True)
class Recommended:
    """One place of a list."""

    rank: int
    item: int
    title: str
    """What a reader tells it by, see :meth:`engine.data.Catalogue.choice`."""
    score: float
    """On the model's own scale; higher is better."""
    reference: str
    """What asks for the very item, ``"id:50"``."""


@dataclass(frozen=True)
class RankedList:
    """A model's recommendations, best first."""

    model: str
    items: tuple[Recommended, ...]


@dataclass(frozen=True)
class Recommendation:
    """Two answers to one history."""

    history: tuple[MatchedTitle, ...]
    teacher: RankedList
    """The teacher's best k; popularity's where the teacher knows no title of the history."""
    llm: RankedList | None
    """The best k in the LLM's order; None if no LLM was asked."""
    reranked: int | None
    """How many of the teacher's best items the LLM had to choose from (K); None if it ranks the whole catalogue."""
    notes: tuple[str, ...]
    """What the reader must know: data that changed, unknown titles, popularity in the teacher's place."""

    @property
    def unknown(self) -> tuple[MatchedTitle, ...]:
        """Titles that the catalogue lacks."""
        return tuple(entry for entry in self.history if entry.item is None)


def recommend(
    history: Sequence[str | int],
    *,
    catalogue: Catalogue,
    teacher: CatalogueRanker,
    popularity: CatalogueRanker,
    llm: Callable[[Catalogue], Ranker] | None,
    k: int = 10,
    top: int = 20,
    note: str = "",
) -> Recommendation:
    """Recommend what comes after ``history``, oldest first, see :func:`understand`.

    A title that comes twice counts once, at its first place.

    Args:
        popularity: ranks instead of the teacher where every title is unknown.
        llm: makes the LLM's ranker for the catalogue extended by the unknown titles; called at most once.
        k: length of both lists.
        top: items of the teacher that the LLM re-orders, at least ``k``, if it does not rank the whole catalogue.
        note: what the reader must know about the data, if anything; told first.

    Raises:
        StudioError: no titles, an id that the catalogue lacks, or ``k`` out of range.
    """
    entries = understand(history, catalogue)
    known = [entry.item for entry in entries if entry.item is not None]
    available = catalogue.n_known - len(known)
    if not 1 <= k <= available:
        raise StudioError(
            f"cannot recommend {plural(k, 'item')}: {available} left outside the history",
            where="k",
            remedy=f"choose 1 to {available}" if available else "shorten the history",
        )
    source = teacher if known else popularity
    size = (1, catalogue.n_known)
    scores = checked_scores(source.name, source.catalogue_scores([known]), size)[0]
    listed = top_items(scores, known, max(k, top))
    unknown = [entry.title for entry in entries if entry.item is None]
    ranker = llm(catalogue.extended(unknown)) if llm else None
    return Recommendation(
        history=entries,
        teacher=_ranked(source.name, catalogue, listed[:k], scores[listed[:k]]),
        llm=_answer(ranker, entries, catalogue, listed, k) if ranker else None,
        reranked=None if isinstance(ranker, CatalogueRanker) else len(listed),
        notes=(
            *filter(None, [note]),
            *ambiguities(entries),
            *_notes(unknown, bool(known), teacher.name, llm is not None),
        ),
    )


def _answer(
    ranker: Ranker, entries: Sequence[MatchedTitle], catalogue: Catalogue, listed: np.ndarray, k: int
) -> RankedList:
    own = iter(range(len(catalogue), len(catalogue) + len(entries)))  # the ids that `extended` gave, in order
    history = np.array([next(own) if entry.item is None else entry.item for entry in entries], np.int64)
    if isinstance(ranker, CatalogueRanker):
        scores = checked_scores(ranker.name, ranker.catalogue_scores([history]), (1, catalogue.n_known))
        ordered = catalogue_listing(scores, [history], k)
    else:
        ordered = sort_listing(listed[None], rerank_scores(ranker, [history], listed[None])[0])
    return _ranked(ranker.name, catalogue, ordered.items[0, :k], ordered.scores[0, :k])


def understand(history: Sequence[str | int], catalogue: Catalogue) -> tuple[MatchedTitle, ...]:
    """Titles (see :func:`engine.data.match_titles`), references such as ``"id:50"``, or dense ids, oldest first.

    What comes twice keeps its first place.

    Raises:
        StudioError: no titles, or an id that the catalogue lacks.
    """
    given = [tidy(entry) if isinstance(entry, str) else int(entry) for entry in history]
    entries = [_understood(entry, catalogue) for entry in given if entry != ""]
    if not entries:
        raise StudioError("the history is empty", where="titles", remedy='give one or more, e.g. "Toy Story; Heat"')
    first: dict[str | int, MatchedTitle] = {}
    for entry in entries:
        first.setdefault(entry.title.casefold() if entry.item is None else entry.item, entry)
    return tuple(first.values())


def _understood(entry: str | int, catalogue: Catalogue) -> MatchedTitle:
    item = referred(catalogue, entry) if isinstance(entry, str) else entry
    if item is None:
        match = match_titles(catalogue, [str(entry)])[0]
        suggestions, alike = (tuple(map(catalogue.choice, items)) for items in (match.suggestions, match.alike))
        if match.item is None:
            return MatchedTitle(match.query, None, match.query, suggestions)
        found = catalogue.choice(match.item)
        return MatchedTitle(match.query, match.item, found.title, suggestions, alike, found.reference)
    if not 0 <= item < catalogue.n_known:
        raise StudioError(f"no item {item}", where="history", remedy=f"ids run from 0 to {catalogue.n_known - 1}")
    found = catalogue.choice(item)
    return MatchedTitle(catalogue.display(item), item, found.title, reference=found.reference)


def ambiguities(entries: Sequence[MatchedTitle]) -> list[str]:
    """A sentence for each title that several items carry exactly so."""
    return [
        f"“{isolated(entry.query)}” is the title of {plural(len(entry.alike) + 1, 'item')}: {isolated(entry.title)} "
        f"was taken, not {', '.join(isolated(choice.title) for choice in entry.alike)}."
        for entry in entries
        if entry.alike
    ]


def _ranked(name: str, catalogue: Catalogue, items: np.ndarray, scores: np.ndarray) -> RankedList:
    places = tuple(
        Recommended(rank, item, found.title, score, found.reference)
        for rank, (item, score) in enumerate(zip(items.tolist(), scores.tolist(), strict=True), start=1)
        for found in [catalogue.choice(item)]
    )
    return RankedList(name, places)


def _notes(unknown: Sequence[str], any_known: bool, teacher: str, llm: bool) -> tuple[str, ...]:
    notes: list[str] = []
    if unknown:
        named = ", ".join(f"“{isolated(title)}”" for title in unknown)
        who = "only what reads titles sees" if llm else "left out:"
        notes.append(f"Not in the catalogue, {who} {named}.")
    if not any_known:
        notes.append(f"{label(teacher)} knows none of the titles: its place is taken by popularity.")
    return tuple(notes)
