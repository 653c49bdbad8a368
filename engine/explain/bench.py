"""A recommendation on the bench: a run's models, one history, its candidates, ready to be asked about.

Two ways in: :func:`bench_of_user`, a test user with the candidates of the evaluation, and :func:`bench_of_titles`, a
history of one's own with the teacher's best items as candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from engine.data import Catalogue, candidate_sets, match_titles
from engine.data.titles import MAX_TITLES
from engine.errors import StudioError
from engine.evaluate.full import top_items
from engine.explain.case import EMPTY, Asker, Case
from engine.explain.removal import Delete, Placeholder, RandomItem, Removal
from engine.explain.variants import LLMVariants
from engine.models import Models, method_row
from engine.recommend import HistoryItem, understand

DRAWS = 3
"""Random items put in the place of a removed one, whose effects are averaged."""
POOL = 4
"""Replacements tried for each item of the history in the search for counterfactuals."""

Candidates = Literal["sampled", "catalogue"]


@dataclass(frozen=True)
class Bench:
    """Everything that explanations of one recommendation ask."""

    models: Models
    catalogue: Catalogue
    """The data set's, then one's own titles, then the one that says nothing."""
    entries: tuple[HistoryItem, ...]
    """The history as the language model reads it, oldest first."""
    llm: Asker
    """The run's last stage."""
    teacher: Asker
    true_item: int | None
    """What the user really chose next; ``None`` for a history of one's own."""
    notes: tuple[str, ...]
    """What the reader must know: unknown titles, titles that are too old to be read."""

    @property
    def case(self) -> Case:
        return self.llm.case

    @cached_property
    def variants(self) -> LLMVariants:
        return LLMVariants(self.models, self.catalogue)

    @cached_property
    def popularity(self) -> np.ndarray:
        """int64 ``[items]``: training interactions."""
        return self.models.split.popularity()

    def title(self, item: int) -> str:
        return self.catalogue.display(item)

    def about(self, column: int) -> Bench:
        """The same recommendation and what was asked of it, explaining the candidate in this column."""
        return replace(self, llm=self.llm.about(column), teacher=self.teacher.about(column))

    def column(self, item: str) -> int | None:
        """Where the item meant by a title or an id of the data set stands among the candidates, if it does.

        Raises:
            StudioError: no such item.
        """
        found = np.flatnonzero(self.case.candidates == _item(self.models.dataset.catalogue, item))
        return int(found[0]) if len(found) else None

    def operators(self, *, teacher: bool = False) -> list[Removal]:
        """The removal operators; for teachers, which read no titles, without the placeholder."""
        taken = np.concatenate([self.case.history, self.case.older, self.case.candidates])
        drawn = RandomItem(self.popularity, taken, DRAWS, self.models.config.seed)
        return [Delete(), drawn] if teacher else [Delete(), Placeholder(len(self.catalogue) - 1), drawn]

    def pool(self) -> list[int]:
        """Ids to put into the history: what most often goes before the strongest rivals of the top answer."""
        scores = self.llm.full()
        rivals = self.case.candidates[np.argsort(-scores, kind="stable")[1:]]
        taken = {*self.case.history.tolist(), *self.case.older.tolist(), *self.case.candidates.tolist()}
        pool: dict[int, None] = {}
        for rival in rivals:
            before = [
                int(items[i - 1]) for items in self.models.split.train for i in np.flatnonzero(items == rival) if i
            ]
            counts = np.bincount(np.array(before, np.int64), minlength=1)
            free = [int(item) for item in np.argsort(-counts, kind="stable") if counts[item] and item not in taken]
            pool |= dict.fromkeys(free[:1])
            if len(pool) == POOL:
                break
        return list(pool)


def bench_of_user(models: Models, user: str, item: str | None = None, candidates: Candidates = "sampled") -> Bench:
    """A test user, by her id in the data set, and her history before the test item.

    Args:
        item: the candidate to explain, a title or an id of the data set; the language model's first if ``None``. It is
            added to the candidates if it is not among them.
        candidates: those of the evaluation, or the teacher's best of the whole catalogue.

    Raises:
        StudioError: no such test user, or no such item.
    """
    dataset, examples = models.dataset, models.split.test
    found = [i for i, index in enumerate(examples.users) if dataset.user_ids[index] == user]
    if not found:
        first, last = (dataset.user_ids[examples.users[i]] for i in (0, -1))
        raise StudioError(
            f"no test user {user!r}", where="user", remedy=f"there are {len(examples)}, from {first!r} to {last!r}"
        )
    example = examples.take(found)
    history, target = example.histories[0], int(example.targets[0])
    if candidates == "sampled":
        listed = candidate_sets(dataset, example, models.config.data, models.config.seed, "test")[0]
    else:
        listed = _best(models, history)
    length = models.config.data.history
    entries = understand([int(item) for item in history[-length:]], dataset.catalogue)
    return _bench(models, dataset.catalogue, entries, history[:-length], listed, item, target, ())


def bench_of_titles(models: Models, titles: Sequence[str], item: str | None = None) -> Bench:
    """A history of one's own, oldest first; titles that the catalogue lacks are kept for the language model.

    Raises:
        StudioError: no titles, too many, none that the catalogue knows, or no such item.
    """
    if len(titles) > MAX_TITLES:
        raise StudioError(f"{len(titles)} titles", where="titles", remedy=f"give at most {MAX_TITLES}")
    entries = understand(list(titles), models.dataset.catalogue)
    known = np.array([entry.item for entry in entries if entry.item is not None], np.int64)
    if not len(known):
        close = [title for entry in entries for title in entry.suggestions]
        raise StudioError(
            f"none of these titles is known: {'; '.join(entry.title[:60] for entry in entries[:5])}",
            where="titles",
            remedy=f"did you mean {'; '.join(close[:3])}?" if close else "write titles as the data set has them",
        )
    length = models.config.data.history
    read = entries[-length:]
    notes = [f"Not in the catalogue, only the language model sees “{e.title}”." for e in read if e.item is None]
    if len(entries) > length:
        notes.append(f"The language model reads the last {length} of {len(entries)} titles.")
    catalogue = models.dataset.catalogue.extended([entry.title for entry in read if entry.item is None])
    older = np.array([entry.item for entry in entries[:-length] if entry.item is not None], np.int64)
    return _bench(models, catalogue, read, older, _best(models, known), item, None, tuple(notes))


def remembered(models: Models, older: np.ndarray, n: int) -> np.ndarray:
    """The ``older`` items that the teacher still sees behind a history of ``n``: removals let nothing older in."""
    memory = models.config.teacher.max_length - n
    return older[-memory:] if memory > 0 else EMPTY


def _best(models: Models, history: np.ndarray) -> np.ndarray:
    """int64 ``[K]``: the teacher's best items outside the history."""
    return top_items(models.teacher.catalogue_scores([history])[0], history, models.config.eval.full_top)


def _bench(
    models: Models,
    catalogue: Catalogue,
    entries: tuple[HistoryItem, ...],
    older: np.ndarray,
    candidates: np.ndarray,
    item: str | None,
    true_item: int | None,
    notes: tuple[str, ...],
) -> Bench:
    own = iter(range(catalogue.n_known, len(catalogue)))
    history = np.array([next(own) if entry.item is None else entry.item for entry in entries], np.int64)
    wanted = None if item is None else _item(models.dataset.catalogue, item)
    if wanted is not None and wanted in {*history.tolist(), *older.tolist()}:
        raise StudioError(f"{catalogue.display(wanted)} stands in the history", where="item", remedy="choose another")
    if wanted is not None and wanted not in candidates:
        candidates = np.append(candidates, wanted)
        notes = (*notes, f"{catalogue.display(wanted)} was added to the candidates.")
    catalogue = catalogue.extended([f"an unknown {models.prompts().words.noun}"])
    case = Case(history, candidates, 0, remembered(models, older, len(history)))
    llm = Asker(models.ranker(method_row(models.config), catalogue), case)
    teacher = Asker(models.teacher, case, older=True)
    target = int(np.flatnonzero(candidates == wanted)[0]) if wanted is not None else int(llm.full().argmax())
    return Bench(models, catalogue, entries, llm.about(target), teacher.about(target), true_item, notes)


def _item(catalogue: Catalogue, text: str) -> int:
    """The item meant by a title or an id of the data set.

    Raises:
        StudioError: no item is close enough.
    """
    match = match_titles(catalogue, [text])[0]
    if match.item is not None:
        return match.item
    if text.strip() in catalogue.raw_ids:
        return catalogue.raw_ids.index(text.strip())
    close = "; ".join(catalogue.display(item) for item in match.suggestions)
    raise StudioError(
        f"no item {text[:80]!r}", where="item", remedy=f"did you mean {close}?" if close else "write a known title"
    )
