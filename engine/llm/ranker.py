"""The language model as a ranker: zero-shot, with a soft prompt, or with adapters, it answers like any teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.llm.prompts import Prompt, Prompts
from engine.llm.scorer import PromptScorer
from engine.ranking import History

NO_CANDIDATES = np.empty(0, np.int64)


@dataclass
class LLMRanker:
    """Satisfies :class:`engine.ranking.Ranker` by LSR prompts.

    ``prompts`` and the scorer's verbalizer must know the same catalogue; make both from an extended one to rank by, or
    among, titles of one's own.
    """

    name: str
    scorer: PromptScorer
    prompts: Prompts
    history_length: int
    reads_titles = True
    """It can rank titles that are no items of the data set."""

    def prompt(self, history: History, candidates: np.ndarray) -> Prompt:
        """The LSR prompt for the last ``history_length`` items and ``candidates [m]``."""
        return self.prompts.lsr(history[-self.history_length :], candidates, self.scorer.soft_prompt is not None)

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        """float32 ``[users, m]`` for int64 ``candidates [users, m]``, which stand in the prompt in this order."""
        prompts = [self.prompt(history, row) for history, row in zip(histories, candidates, strict=True)]
        return self.scorer.scores(prompts, candidates)


@dataclass
class SequenceRanker(LLMRanker):
    """Satisfies :class:`engine.ranking.CatalogueRanker`, by prompts that list no candidates.

    ``n_items``: of the data set, the first titles of the prompts' catalogue.
    """

    n_items: int

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, n_items]``."""
        prompts = [self.prompt(history, NO_CANDIDATES) for history in histories]
        return self.scorer.catalogue_scores(prompts)[:, : self.n_items]
