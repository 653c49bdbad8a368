"""DELRec-plus as a ranker: the language model's opinion, weighed against the teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.llm import Prompts
from engine.plus.model import Plus
from engine.plus.reading import READINGS
from engine.ranking import CatalogueRanker, History

NAME = "delrec-plus"


@dataclass
class PlusRanker:
    """Satisfies :class:`engine.ranking.CatalogueRanker`; scores are log-probabilities up to a constant per user.

    Args:
        plus: the trained model.
        teacher: whose opinion is mixed in.
        prompts: of the catalogue, or of one extended by titles of one's own, which histories and candidates may hold.
    """

    plus: Plus
    teacher: CatalogueRanker
    prompts: Prompts
    name: str = NAME

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, items of the data set]``."""
        of_teacher, of_llm = self.plus.weights.tolist()
        mixed = of_llm * self.llm_scores(histories)
        if of_teacher:
            mixed[:, : self.n_items] += of_teacher * self.teacher.catalogue_scores(histories)
        known: np.ndarray = mixed[:, : self.n_items]
        return known

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        """float32 ``[users, m]``; each history is read once, however often it is asked about.

        To titles outside the catalogue the teacher gives its lowest score.
        """
        keys = [tuple(int(item) for item in history) for history in histories]
        distinct = {key: row for row, key in enumerate(dict.fromkeys(keys))}
        scores = self.llm_scores(list(distinct))
        of_teacher, of_llm = self.plus.weights.tolist()
        scores *= of_llm
        if of_teacher:
            opinion = of_teacher * self.teacher.catalogue_scores(list(distinct))
            scores[:, : self.n_items] += opinion
            scores[:, self.n_items :] += opinion.min(axis=1, keepdims=True)
        rows = scores[[distinct[key] for key in keys]]
        return np.take_along_axis(rows, candidates, axis=1)

    @property
    def n_items(self) -> int:
        """Items of the data set."""
        return len(self.plus.prompts.titles)

    @torch.inference_mode()
    def llm_scores(self, histories: Sequence[History]) -> np.ndarray:
        """The language model's own log-probabilities: float32 ``[users, all titles]``, normalised over the data set."""
        plus = self.plus
        size = plus.config.llm.batch_size * READINGS[plus.config.plus.reading].share
        own_titles = plus.title_vectors(self.prompts)[self.n_items :]
        shown = [np.asarray(history, np.int64)[-plus.config.plus.window :] for history in histories]
        lengths = [sum(len(self.prompts.titles[item]) for item in history) for history in shown]
        order = sorted(range(len(shown)), key=lengths.__getitem__)
        scores = np.empty((len(shown), len(self.prompts.titles)), np.float32)
        for begin in range(0, len(order), size):
            users = order[begin : begin + size]
            states = plus.states([shown[user] for user in users], self.prompts, last=True)
            known = plus.head(states)
            every = torch.cat([known, plus.head.unknown(states, own_titles)], dim=1) if len(own_titles) else known
            scores[users] = (every - known.logsumexp(1, keepdim=True)).cpu().numpy()
        return scores
