"""One recommendation to be explained, and the one way in which a model is asked about variants of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.errors import StudioError
from engine.metrics.ranks import checked_scores, target_ranks
from engine.ranking import History, Ranker

EMPTY = np.empty(0, np.int64)


@dataclass(frozen=True)
class Instance:
    """Why is ``candidates[target]`` ranked as it is after ``history``?

    ``history``: int64 ``[n]`` ids that the language model reads, oldest first. ``candidates``: int64 ``[m]``, m >= 2,
    none twice. ``older``: int64, what came before the history; only models with a longer memory see it, and it never
    changes.

    Raises:
        StudioError: no history, or fewer than two candidates.
    """

    history: np.ndarray
    candidates: np.ndarray
    target: int
    older: np.ndarray = field(default_factory=lambda: EMPTY)

    def __post_init__(self) -> None:
        if not len(self.history):
            raise StudioError("the history is empty", where="history", remedy="give at least one title")
        if len(self.candidates) < 2:
            raise StudioError("a ranking needs two candidates", where="candidates", remedy="give more candidates")
        if not 0 <= self.target < len(self.candidates) or len(set(self.candidates.tolist())) < len(self.candidates):
            raise ValueError("candidates must differ, and the target must be one of them")


class Predictor:
    """Asks one model about variants of an instance; a history that was asked before is answered from memory.

    Args:
        older: whether the model sees the instance's older items too.
        name: of the row that it is, where the ranker's own is another.
    """

    def __init__(self, ranker: Ranker, instance: Instance, *, older: bool = False, name: str | None = None) -> None:
        self.name = name or ranker.name
        self.ranker = ranker
        self.instance = instance
        self.older = instance.older if older else EMPTY
        self._known: dict[tuple[int, ...], np.ndarray] = {}

    def about(self, target: int) -> Predictor:
        """The same model and memory, explaining candidate column ``target``."""
        instance = replace(self.instance, target=target)
        other = Predictor(self.ranker, instance, older=len(self.older) > 0, name=self.name)
        other._known = self._known
        return other

    @property
    def asked(self) -> int:
        """Different histories asked so far."""
        return len(self._known)

    def scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[v, m]`` for ``v`` variants of the history: all that are new go to the model in one call."""
        keys = [tuple(map(int, history)) for history in histories]
        if new := list(dict.fromkeys(key for key in keys if key not in self._known)):
            self._known.update(zip(new, self._ask(new), strict=True))
        return np.array([self._known[key] for key in keys])

    def fresh(self, history: History) -> np.ndarray:
        """float32 ``[m]``: the answer to one history asked by itself, whatever was asked before."""
        result: np.ndarray = self._ask([tuple(map(int, history))])[0]
        return result

    def full(self) -> np.ndarray:
        """float32 ``[m]``: the scores after the history as it is."""
        result: np.ndarray = self.scores([self.instance.history])[0]
        return result

    def reordered(self, orders: Sequence[np.ndarray]) -> np.ndarray:
        """float32 ``[v, m]``: scores by the instance's own columns, the candidates listed in each of ``orders [m]``."""
        history = np.concatenate([self.older, self.instance.history])
        listed = np.stack([self.instance.candidates[order] for order in orders])
        answers = checked_scores(self.name, self.ranker.scores([history] * len(orders), listed), listed.shape)
        scores = np.empty_like(answers)
        np.put_along_axis(scores, np.stack(orders), answers, axis=1)
        return scores

    def _ask(self, histories: Sequence[tuple[int, ...]]) -> np.ndarray:
        whole = [np.concatenate([self.older, np.array(history, np.int64)]) for history in histories]
        candidates = np.tile(self.instance.candidates, (len(whole), 1))
        return checked_scores(self.name, self.ranker.scores(whole, candidates), candidates.shape)


def margins(scores: np.ndarray, target: int) -> np.ndarray:
    """float64 ``[...]``: score of column ``target`` minus the best other one, of ``scores [..., m]``."""
    scores = np.asarray(scores, np.float64)
    best: np.ndarray = np.delete(scores, target, axis=-1).max(axis=-1)
    return np.asarray(scores[..., target] - best)


def probabilities(scores: np.ndarray, target: int) -> np.ndarray:
    """float64 ``[...]``: softmax over the candidates of ``scores [..., m]``, at ``target``; LLMs are trained by it."""
    scores = np.asarray(scores, np.float64)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shares[..., target] / shares.sum(axis=-1))


def ranks(scores: np.ndarray, target: int) -> np.ndarray:
    """float64 ``[v]``: the target's place by ``scores [v, m]``, 1 is best; ties take their mean."""
    return target_ranks(scores, np.full(len(scores), target)).expected
