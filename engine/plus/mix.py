"""How much the teacher's opinion counts beside the language model's: two weights, learned from validation users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.ranking import History

ITERATIONS = 50
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
    seen = torch.zeros(llm.shape, dtype=torch.bool)
    for row, history in zip(seen, histories, strict=True):
        row[torch.as_tensor(np.asarray(history, np.int64))] = True
    opinions = torch.from_numpy(np.stack([teacher, llm])).double()
    labels = torch.from_numpy(targets)
    logarithms = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithms], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        mixed = torch.einsum("k,kni->ni", logarithms.exp(), opinions).masked_fill(seen, -torch.inf)
        value = torch.nn.functional.cross_entropy(mixed, labels)
        value.backward()
        return value

    optimizer.step(loss)
    weights = logarithms.detach().exp().float()
    return torch.where(weights < SMALLEST, 0.0, weights)
