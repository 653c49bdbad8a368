"""Whole-title likelihood over a catalogue in bounded time: vectors of titles choose, likelihood decides.

A likelihood costs a pass over a title's tokens, and a catalogue has thousands. So the titles that are most like those
of the history are chosen first, by vectors that are read once, and only these are asked about. No teacher has a say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.ranking import History, Ranker


class TitleSimilarity:
    """How much each title of a catalogue is like those of a history: mean and largest cosine of their vectors, added.

    Args:
        vectors: float32 ``[titles, k]``, as of :func:`engine.llm.title_vectors.title_vectors`.
        n_items: of the data set, the first of them.
        history_length: items that are looked at, the last ones.
    """

    def __init__(self, vectors: Tensor, n_items: int, history_length: int) -> None:
        self.directions = torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()
        self.n_items = n_items
        self.history_length = history_length

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, n_items]``, between -2 and 2; zeros without a history."""
        scores = np.zeros((len(histories), self.n_items), np.float32)
        for row, history in zip(scores, histories, strict=True):
            recent = np.asarray(history, np.int64)[-self.history_length :]
            if len(recent):
                cosines = self.directions[recent] @ self.directions[: self.n_items].T
                row += cosines.mean(axis=0) + cosines.max(axis=0)
        return scores


class TwoStepRanker:
    """Satisfies :class:`engine.ranking.TwoScoresRanker`: what ``similarity`` puts first is ranked by ``reader``.

    Args:
        reader: ranks candidates by likelihood.
        top: titles of the catalogue that it is asked about.
    """

    reads_titles = True

    def __init__(self, reader: Ranker, similarity: TitleSimilarity, top: int) -> None:
        self.reader = reader
        self.similarity = similarity
        self.top = top

    @property
    def name(self) -> str:
        return self.reader.name

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        """float32 ``[users, m]``: likelihoods of these candidates, whatever the similarity."""
        return self.reader.scores(histories, candidates)

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, items]``: the ``top`` most similar outside the history from 0 upwards, by likelihood; below
        them the others, by similarity."""
        return self.both_scores(histories, np.empty((len(histories), 0), np.int64))[0]

    def both_scores(self, histories: Sequence[History], candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = self.similarity.catalogue_scores(histories) - 3.0
        open_to = scores.copy()
        for row, history in zip(open_to, histories, strict=True):
            seen = np.asarray(history, np.int64)
            row[seen[seen < len(row)]] = -np.inf
        chosen = np.argsort(-open_to, axis=1, kind="stable")[:, : self.top]
        asked = self.reader.scores(histories, np.concatenate([chosen, candidates], axis=1))
        best, listed = np.split(asked, [chosen.shape[1]], axis=1)
        np.put_along_axis(scores, chosen, best - best.min(axis=1, keepdims=True), axis=1)
        return scores, listed
