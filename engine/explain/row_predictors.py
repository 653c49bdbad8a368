"""Any row of a run's results table, asked about one history: what it answers is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from engine.data import Catalogue
from engine.explain.predictor import Instance, Predictor
from engine.metrics.full import top_items
from engine.metrics.ranks import checked_scores
from engine.models import Models
from engine.plus import PlusRanker
from engine.ranking import CatalogueRanker, History, Ranker, TwoScoresRanker
from engine.rows import method_row, row_spec

REMEMBERED = 2**25
"""Scores of whole catalogues that are kept, 128 MB at most."""


class RowPredictors:
    """The rows of a run after a history that may change; ``older`` items stand before it and never do.

    Only what knows items by number sees the ``older`` ones. A language model reads as many titles as the history has,
    so that removing one lets no older title in. Parts of a sum are asked just so.

    Args:
        catalogue: the data set's, extended by all titles that a history may hold.
        older: int64, as far back as the teachers remember.
        whole: whether candidates are scored as items of the whole catalogue; a row may weigh these otherwise.
        made: rows about this very catalogue, without what is older, that predictors of other histories share.
    """

    def __init__(
        self,
        models: Models,
        catalogue: Catalogue,
        older: np.ndarray,
        *,
        whole: bool = False,
        made: dict[str, Ranker] | None = None,
    ) -> None:
        self.models, self.catalogue, self.older, self.whole = models, catalogue, older, whole
        self._made = {} if made is None else made
        self._rankers: dict[str, Ranker] = {}
        self._predictors: dict[tuple[str, bytes], Predictor] = {}

    def of(self, row: str, instance: Instance) -> Predictor:
        """The predictor of a row; the same for the same history and candidates, whatever is explained."""
        key = row, instance.history.tobytes() + instance.candidates.tobytes()
        if key not in self._predictors:
            self._predictors[key] = Predictor(self.ranker(row), instance, name=row)
        return self._predictors[key].about(instance.target)

    def ranker(self, row: str) -> Ranker:
        """A row; histories are the changing part alone."""
        if row not in self._rankers:
            self._rankers[row] = self._placed(self._ranker(row))
        return self._rankers[row]

    def with_model(self, row: str, llm: Ranker) -> Ranker:
        """The row with another language model in the place of its own."""
        return self._placed(self.mixed(llm) if row_spec(row).mixed else llm)

    def _placed(self, ranker: Ranker) -> Ranker:
        return WithinCatalogue(ranker) if self.whole and isinstance(ranker, CatalogueRanker) else ranker

    def catalogue_scores(self, row: str, history: History) -> np.ndarray | None:
        """float32 ``[items]``: what a row says of all items of the data set; ``None`` where it cannot without a list.

        A row that reads titles scores those of one's own too, which nobody is recommended.
        """
        ranker = self.ranker(row)
        if not isinstance(ranker, CatalogueRanker):
            return None
        scores: np.ndarray = ranker.catalogue_scores([history])[0]
        return scores[: self.models.split.n_items]

    def best(self, row: str, history: History, seen: History) -> np.ndarray:
        """int64 ``[<= K]``: a row's best items of the whole catalogue outside ``seen``; the teacher's where the row
        only re-ranks a list."""
        scores = self.catalogue_scores(row, history)
        if scores is None:
            scores = self.catalogue_scores(self.models.config.teacher.name, history)
        assert scores is not None
        return top_items(scores, seen, self.models.config.eval.full_top)

    def _ranker(self, row: str) -> Ranker:
        if not is_llm(row):
            return Remembering(self._bare(row), self.older, row)  # type: ignore[arg-type]
        if row_spec(row).mixed:
            return self.mixed(self._method)
        return self._method if row == method_row(self.models.config) else self._bare(row)

    def _bare(self, row: str) -> Ranker:
        """A row that is no sum, as the run has it."""
        if row not in self._made:
            self._made[row] = self.models.ranker(row, self.catalogue)
        return self._made[row]

    @cached_property
    def _method(self) -> Ranker:
        """The method's row, which DELRec-plus asks too: where it scores whole catalogues, each history is read once."""
        row = method_row(self.models.config)
        made = self._bare(row)
        own = isinstance(made, TwoScoresRanker)
        return made if own or not isinstance(made, CatalogueRanker) else Memo(made)

    def mixed(self, llm: Ranker) -> PlusRanker:
        """DELRec-plus with this language model."""
        models = self.models
        assert models.plus is not None
        assert isinstance(llm, CatalogueRanker)
        parts: dict[str, Any] = {
            name: llm if is_llm(name) else Remembering(self._bare(name), self.older, name)  # type: ignore[arg-type]
            for name in models.plus_names
        }
        return PlusRanker(parts, models.plus, models.split.n_items)


def is_llm(row: str) -> bool:
    """Whether a language model answers in this row, or has a part in it."""
    try:
        return bool(row_spec(row))
    except KeyError:
        return False


class Remembering:
    """A ranker that knows items by number, with older items before every history."""

    def __init__(self, ranker: CatalogueRanker, older: np.ndarray, name: str) -> None:
        self.ranker, self.older, self.name = ranker, older, name
        self.reads_titles = getattr(ranker, "reads_titles", False)

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        return self.ranker.scores(self._whole(histories), candidates)

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        return self.ranker.catalogue_scores(self._whole(histories))

    def _whole(self, histories: Sequence[History]) -> list[np.ndarray]:
        return [np.concatenate([self.older, np.asarray(history, np.int64)]) for history in histories]


class WithinCatalogue:
    """A ranker whose candidates are items of the whole catalogue: they get the scores that they have in it."""

    def __init__(self, ranker: CatalogueRanker) -> None:
        self.ranker, self.name = ranker, ranker.name

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        return np.take_along_axis(self.catalogue_scores(histories), candidates, axis=1)

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        return self.ranker.catalogue_scores(histories)


class Memo:
    """A ranker of the whole catalogue that is asked about a history once, by whomever."""

    reads_titles = True

    def __init__(self, ranker: CatalogueRanker) -> None:
        self.ranker, self.name = ranker, ranker.name
        self._known: dict[tuple[int, ...], np.ndarray] = {}

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        """Titles of one's own among the candidates are asked about by themselves."""
        scores = self.catalogue_scores(histories)
        if (candidates >= scores.shape[1]).any():
            return self.ranker.scores(histories, candidates)
        return np.take_along_axis(scores, candidates, axis=1)

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        keys = [tuple(map(int, history)) for history in histories]
        if new := list(dict.fromkeys(key for key in keys if key not in self._known)):
            found = self.ranker.catalogue_scores([np.array(key, np.int64) for key in new])
            self._known.update(zip(new, checked_scores(self.name, found, found.shape), strict=True))
        answer = np.array([self._known[key] for key in keys])
        most = max(1, REMEMBERED // max(1, answer.shape[1]))
        for old in list(self._known)[:-most]:
            del self._known[old]
        return answer
