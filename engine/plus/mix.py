"""How much each of several opinions counts: weights learned from validation users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.ranking import History

ITERATIONS = 50
CELLS = 2**19
"""Scores looked at together, 4 MB in float64: memory does not grow with users times items beyond the scores given."""
SMALLEST = 1e-3
"""Weights are positive; below this a model's opinion counts as none."""
LARGEST = 10.0
"""No weight is larger: a part that is right about each of a handful of users would have one without bound."""
TOP = 50
"""Of the whole catalogue, so many of each opinion's best items are told apart."""


def shortlisted(
    opinions: Sequence[np.ndarray], histories: Sequence[History], targets: np.ndarray, top: int = TOP
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """The same for :func:`fit_weights`, of the items alone that an opinion has among its best ``top``.

    Weights for a list's top: over all items the likelihood is mostly about targets that nobody puts near it, and who
    knows best what does not fit at all gets the weight. Users whose target nobody has among the best are left out, and
    nobody is where that is all of them.
    """
    columns = min(top, opinions[0].shape[1]) * len(opinions)
    lists, kept = [], []
    for user, (history, target) in enumerate(zip(histories, targets, strict=True)):
        listed = _best([scores[user] for scores in opinions], np.asarray(history, np.int64), top)
        if target in listed:
            lists.append(listed)
            kept.append(user)
    if not kept:
        return list(opinions), [np.asarray(history, np.int64) for history in histories], targets
    padded = np.array([np.pad(listed, (0, columns - len(listed))) for listed in lists])
    rows = np.array(kept)[:, None]
    return (
        [scores[rows, padded] for scores in opinions],
        [np.arange(len(listed), columns) for listed in lists],
        np.array([np.searchsorted(listed, targets[user]) for user, listed in zip(kept, lists, strict=True)]),
    )


def _best(opinions: Sequence[np.ndarray], history: np.ndarray, top: int) -> np.ndarray:
    """Sorted ids of the items outside ``history`` that one of the opinions of one user has among its best ``top``."""
    best = []
    for scores in opinions:
        left = scores.copy()
        left[history] = -np.inf
        best.append(np.argpartition(-left, min(top, len(left)) - 1)[:top])
    return np.setdiff1d(np.concatenate(best), history)


def fit_weights(opinions: Sequence[np.ndarray], histories: Sequence[History], targets: np.ndarray) -> Tensor:
    """Weights float32 ``[P]``, none negative, under which the true next items are likeliest.

    ``p(item) ∝ exp(Σ wᵢ · opinionᵢ)`` over the items that the history does not hold: a logistic regression of P
    coefficients, whose scale also calibrates the probabilities, up to a weight of :data:`LARGEST`.

    Args:
        opinions: P times float32 ``[n, items]``, log-probabilities up to a constant per user, for ``n`` users from
            whose targets none of the models learned.
        histories: columns that are left out for each user.
        targets: int64 ``[n]``, columns.
    """
    labels = torch.from_numpy(targets)
    seen = [torch.as_tensor(np.asarray(history, np.int64)) for history in histories]
    step = max(1, CELLS // opinions[0].shape[1])
    logarithms = torch.full((len(opinions),), -np.log(len(opinions)), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithms], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    @torch.no_grad()
    def loss() -> Tensor:
        """Mean cross-entropy; puts its gradient into ``logarithms``."""
        weights, value, slope = logarithms.exp(), torch.zeros((), dtype=torch.float64), torch.zeros_like(logarithms)
        for begin in range(0, len(labels), step):
            part = slice(begin, begin + step)
            part_scores = [torch.from_numpy(scores[part]).double() for scores in opinions]
            mixed = sum((weight * scores for weight, scores in zip(weights, part_scores, strict=True)), torch.zeros(()))
            for row, history in zip(mixed, seen[part], strict=True):
                row[history] = -torch.inf
            own = torch.arange(len(mixed)), labels[part]
            normaliser = mixed.logsumexp(1, keepdim=True)
            value += (normaliser[:, 0] - mixed[own]).sum()
            chances = mixed.sub_(normaliser).exp_()
            slope += torch.stack([(chances * scores).sum() - scores[own].sum() for scores in part_scores])
        logarithms.grad = slope * weights / len(labels)
        return value / len(labels)

    optimizer.step(loss)
    weights = logarithms.detach().exp().float()
    weights *= min(1.0, LARGEST / float(weights.max()))  # in proportion: the order of items stays
    if (weights < SMALLEST).all():  # nobody knows anything: one of them still has to order the items
        return torch.where(torch.arange(len(weights)) == weights.argmax(), SMALLEST, 0.0)
    return torch.where(weights < SMALLEST, 0.0, weights)
