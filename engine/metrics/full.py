"""Ranking in the full catalogue.

Teachers and baselines score every item outside the user's history, which is never recommended. The LLM re-ranks the
teacher's best K, the way it would be deployed; the teacher's order follows for all other items. DELRec-plus, which has
no list to read, scores every item as the teachers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import StudioError
from engine.metrics.ranks import Ranks, checked_scores
from engine.ranking import History, Ranker
from engine.seeds import generator


@dataclass(frozen=True)
class Listing:
    """A ranked list per example, best first: ``items`` int64 and ``scores`` float32, both ``[n, K]``."""

    items: np.ndarray
    scores: np.ndarray


def top_items(scores: np.ndarray, history: History, k: int) -> np.ndarray:
    """int64 ``[<= k]``: the best items of one user's ``scores`` ``[items]`` outside her history, best first.

    Equal scores stand in the order of ids. Costs grow linearly with the catalogue.
    """
    allowed = np.flatnonzero(~_is_known(history, len(scores)))
    if not len(allowed):
        return allowed
    remaining = scores[allowed]
    k = min(k, len(allowed))
    last = np.partition(remaining, len(allowed) - k)[len(allowed) - k]
    above = np.flatnonzero(remaining > last)
    chosen = np.concatenate([above, np.flatnonzero(remaining == last)[: k - len(above)]])
    order = np.lexsort((chosen, -remaining[chosen]))
    best: np.ndarray = allowed[chosen[order]]
    return best


def list_length(histories: Sequence[History], n_items: int, top: int) -> int:
    """Length of all re-ranked lists: ``top``, or less where some user's history leaves fewer items.

    Raises:
        StudioError: a user's history holds the whole catalogue.
    """
    left = n_items - max(int(_is_known(history, n_items).sum()) for history in histories)
    if left == 0:
        raise StudioError("a test user has every item of the catalogue in the history", remedy="use a larger data set")
    return min(top, left)


def catalogue_listing(scores: np.ndarray, histories: Sequence[History], k: int) -> Listing:
    """The best ``k`` of catalogue scores ``[n, items]`` for each example."""
    items = np.stack([top_items(row, history, k) for row, history in zip(scores, histories, strict=True)])
    return Listing(items, np.take_along_axis(scores, items, axis=1))


def catalogue_ranks(scores: np.ndarray, histories: Sequence[History], targets: np.ndarray) -> Ranks:
    """Places of ``targets`` ``[n]`` by catalogue scores ``[n, items]``, histories left out.

    Raises:
        ValueError: a target stands in its own history.
    """
    own = scores[np.arange(len(targets)), targets]
    better, tied = (scores > own[:, None]).sum(axis=1), (scores == own[:, None]).sum(axis=1) - 1
    for i, (row, history, target) in enumerate(zip(scores, histories, targets, strict=True)):
        seen = np.unique(np.asarray(history, np.int64))
        if (seen == target).any():
            raise ValueError(f"target {target} stands in its own history")
        left_out = row[seen[(seen >= 0) & (seen < len(row))]]
        better[i] -= (left_out > own[i]).sum()
        tied[i] -= (left_out == own[i]).sum()
    return Ranks(better, tied)


def reranked_ranks(listed: np.ndarray, scores: np.ndarray, targets: np.ndarray, teacher: Ranks) -> Ranks:
    """Places of ``targets`` after ``scores`` ``[n, K]`` re-order the teacher's ``listed`` ``[n, K]`` items.

    Below the list the teacher's order stands: its ``teacher`` ranks, less the tied items that made it into the list.
    """
    k = listed.shape[1]
    inside = listed == targets[:, None]
    own = np.where(inside, scores, 0).sum(axis=1, keepdims=True)
    in_list = inside.any(axis=1)
    better = np.where(in_list, (scores > own).sum(axis=1), np.maximum(teacher.better, k))
    below_tied = np.maximum(teacher.tied - np.maximum(k - teacher.better, 0), 0)
    tied = np.where(in_list, (scores == own).sum(axis=1) - 1, below_tied)
    return Ranks(better, tied)


def rerank_scores(
    ranker: Ranker, histories: Sequence[History], listed: np.ndarray, candidates: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The LLM's scores of the teacher's ``listed`` items ``[n, K]`` and of ``candidates [n, m]``, in their order.

    The LLM sees the listed items in random order, always the same for the same items. In the teacher's own order the
    list would tell what the teacher thinks, and a model that likes what stands first would pass for the teacher.
    Both lists are asked in one call where their widths allow it, so that a ranker can read each history once.
    """
    n, k = listed.shape
    order = np.stack([generator(0, "presented", *row).permutation(k) for row in listed])
    shown = np.take_along_axis(listed, order, axis=1)
    extra = np.empty((n, 0), np.int64) if candidates is None else candidates

    def ask(asked: Sequence[History], items: np.ndarray) -> np.ndarray:
        return checked_scores(ranker.name, ranker.scores(asked, items), items.shape)

    if extra.shape[1] == k:
        answers, others = np.split(ask([*histories, *histories], np.concatenate([shown, extra])), 2)
    else:
        answers, others = ask(histories, shown), ask(histories, extra) if extra.size else np.empty((n, 0), np.float32)
    scores = np.empty(listed.shape, np.float32)
    np.put_along_axis(scores, order, answers, axis=1)
    return scores, others


def sort_listing(listed: np.ndarray, scores: np.ndarray) -> Listing:
    """``listed`` items ``[n, K]`` in the order of ``scores``; equal scores keep the teacher's."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return Listing(np.take_along_axis(listed, order, axis=1), np.take_along_axis(scores, order, axis=1))


def _is_known(history: History, n_items: int) -> np.ndarray:
    """bool ``[n_items]``; ids beyond the catalogue, one's own unknown titles, are passed over."""
    items = np.asarray(history, dtype=np.int64)
    known = np.zeros(n_items, dtype=bool)
    known[items[items < n_items]] = True
    return known
