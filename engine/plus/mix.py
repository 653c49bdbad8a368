"""How much the teacher's opinion counts beside the language model's: two weights, learned from validation users."""

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


def weigh(teacher: np.ndarray, llm: np.ndarray, histories: Sequence[History], targets: np.ndarray) -> Tensor:
    """Weights float32 ``[2]`` under which the true next items are likeliest.

    ``p(item) ∝ exp(w₀ · teacher + w₁ · llm)`` over the items that the history does not hold: a logistic regression of
    two coefficients, whose scale also calibrates the probabilities.

    Args:
        teacher, llm: float32 ``[n, items]`` log-probabilities for ``n`` validation users; neither model learned them.
        targets: int64 ``[n]``.
    """
    labels = torch.from_numpy(targets)
    seen = [torch.as_tensor(np.asarray(history, np.int64)) for history in histories]
    step = max(1, CELLS // llm.shape[1])
    logarithms = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithms], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    @torch.no_grad()
    def loss() -> Tensor:
        """Mean cross-entropy; puts its gradient into ``logarithms``."""
        weights, value, slope = logarithms.exp(), torch.zeros((), dtype=torch.float64), torch.zeros_like(logarithms)
        for begin in range(0, len(labels), step):
            part = slice(begin, begin + step)
            opinions = [torch.from_numpy(scores[part]).double() for scores in (teacher, llm)]
            mixed = weights[0] * opinions[0] + weights[1] * opinions[1]
            for row, history in zip(mixed, seen[part], strict=True):
                row[history] = -torch.inf
            own = torch.arange(len(mixed)), labels[part]
            normaliser = mixed.logsumexp(1, keepdim=True)
            value += (normaliser[:, 0] - mixed[own]).sum()
            chances = mixed.sub_(normaliser).exp_()
            slope += torch.stack([(chances * scores).sum() - scores[own].sum() for scores in opinions])
        logarithms.grad = slope * weights / len(labels)
        return value / len(labels)

    optimizer.step(loss)
    weights = logarithms.detach().exp().float()
    return torch.where(weights < SMALLEST, 0.0, weights)
