"""The two tasks that carry the teacher's pattern into the soft prompt (paper section IV-B)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from engine.config import RunConfig
from engine.data.catalogue import Catalogue
from engine.data.split import Split
from engine.llm.prompts import Prompts
from engine.ranking import CatalogueRanker
from engine.training_prompts import TrainingPrompt, TrainingTask

ALPHA = 4
"""Items at the head of a TA window that make its demonstration."""


class TemporalAnalysis(TrainingTask):
    """TA: what comes right before what.

    In a window of the user's sequence the second-to-last item is hidden and the last one is revealed as what came
    next; the LLM names the hidden one. The window's first ``ALPHA`` items are a demonstration of the same question:
    the last two of them are the demonstrated pair, the query goes on from the last of them.
    """

    name = "ta"
    takes = f"{ALPHA + 2} items in a row, the last but one unlike the others"
    without = "set distill.ta=false"

    def __init__(
        self,
        config: RunConfig,
        split: Split,
        catalogue: Catalogue,
        users: np.ndarray,
        prompts: Prompts,
        *,
        revealed: bool = True,
    ) -> None:
        """``revealed``: whether the last item is shown; kept back only to see whether it is made use of."""
        self.prompts = prompts
        self.revealed = revealed
        self.window = max(config.data.history, ALPHA + 2)
        super().__init__(config, split, catalogue, users, config.distill.batch_size)

    def find_cuts(self, sequence: np.ndarray) -> np.ndarray:
        """Cuts with room for demonstration and query, whose hidden item shows nowhere else in the window."""
        codes = self.alike[sequence].tolist()
        windows = {cut: codes[max(0, cut - self.window) : cut] for cut in range(ALPHA + 2, len(codes) + 1)}
        return np.array([cut for cut, window in windows.items() if window.count(window[-2]) == 1], dtype=np.int64)

    def ask(self, places: Sequence[tuple[int, int]], random: np.random.Generator) -> list[TrainingPrompt]:
        return [self._ask(user, cut, random) for user, cut in places]

    def _ask(self, user: int, cut: int, random: np.random.Generator) -> TrainingPrompt:
        window = self.split.train[user][max(0, cut - self.window) : cut]
        candidates, label = self.candidates(user, [window[-2]], random)
        prompt = self.prompts.ta(
            demo_history=window[: ALPHA - 2],
            demo_pair=(int(window[ALPHA - 2]), int(window[ALPHA - 1])),
            history=window[ALPHA - 1 : -2],
            revealed_next=int(window[-1]) if self.revealed else None,
            candidates=candidates,
        )
        return TrainingPrompt(prompt, candidates, label)


class PatternSimulating(TrainingTask):
    """RPS: name the teacher's first choice.

    The teacher ranks what the history ``s[:cut]`` does not hold. Its first choice is the label, whether or not the user
    went on to it; its best h stand among the candidates beside random fillers. The true next item is not looked at.
    With ``distill.soft_labels`` training aims at how probable the teacher finds each candidate: one question then tells
    of its whole order, not of its first choice alone.
    """

    name = "rps"
    takes = "an item, and as many others that look unlike it as there are candidates"
    without = "set distill.rps=false"

    def __init__(
        self,
        config: RunConfig,
        split: Split,
        catalogue: Catalogue,
        users: np.ndarray,
        prompts: Prompts,
        teacher: CatalogueRanker,
    ) -> None:
        self.prompts = prompts
        self.teacher = teacher
        self.top = min(config.distill.teacher_top, config.data.candidates)
        self.show_ranks = config.distill.show_teacher_ranks
        self.soft_labels = config.distill.soft_labels
        self.temperature = config.distill.temperature if self.soft_labels else 1.0
        super().__init__(config, split, catalogue, users, config.distill.batch_size)

    def find_cuts(self, sequence: np.ndarray) -> np.ndarray:
        """Every history that leaves the teacher something to choose from."""
        return np.arange(1, min(len(sequence), self.different - self.n_candidates) + 1)

    @cached_property
    def different(self) -> int:
        """Items that look unlike each other: a sort of the catalogue, too slow for every user anew."""
        return len(np.unique(self.alike[self.learned]))

    def ask(self, places: Sequence[tuple[int, int]], random: np.random.Generator) -> list[TrainingPrompt]:
        histories = [self.split.train[user][:cut] for user, cut in places]
        scores = self.teacher.catalogue_scores(histories)
        return [
            self._ask(user, history, row, random)
            for (user, _), history, row in zip(places, histories, scores, strict=True)
        ]

    def _ask(self, user: int, history: np.ndarray, scores: np.ndarray, random: np.random.Generator) -> TrainingPrompt:
        best = best_items(scores, history, self.top, self.alike, self.learned)
        candidates, label = self.candidates(user, best, random)
        prompt = self.prompts.rps(history[-self.history :], candidates, shown_ranks=best[1:] if self.show_ranks else [])
        probs = _softmax(scores[candidates] / self.temperature) if self.soft_labels else None
        return TrainingPrompt(prompt, candidates, label, probs)


def best_items(scores: np.ndarray, history: np.ndarray, top: int, alike: np.ndarray, learned: np.ndarray) -> list[int]:
    """The best ``top`` of the ``learned`` items by the teacher's ``scores`` ``[items]`` after a history, best first.

    None of them is displayed like another, or like an item of the history; ``alike``: :attr:`Catalogue.look_alikes`.
    """
    order = learned[np.argsort(-scores[learned], kind="stable")]
    order = order[~np.isin(alike[order], alike[history])]
    best: list[int] = order[np.sort(np.unique(alike[order], return_index=True)[1])][:top].tolist()
    return best


def _softmax(scores: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(scores - scores.max()).astype(np.float32)
    result: np.ndarray = shares / shares.sum()
    return result
