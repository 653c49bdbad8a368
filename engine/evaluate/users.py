"""Single users out of a run's stored predictions: what they chose, and where each model ranked it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.evaluate.predictions import Predictions


@dataclass(frozen=True)
class UserRow:
    """One test user; items are dense ids."""

    user_id: str
    history: tuple[int, ...]
    """The last items before the target, oldest first."""
    target: int
    ranks: Mapping[str, tuple[float, float]]
    """By model: rank of the target among the candidates and in the full catalogue; ties count as their mean rank."""


def user_rows(predictions: Predictions, places: Sequence[int] | np.ndarray) -> list[UserRow]:
    """The users in these lines of the table, in this order."""
    table = predictions.table.iloc[list(places)]
    ranks = {
        model: list(zip(table[f"{model}/candidate_rank"], table[f"{model}/full_rank"], strict=True))
        for model in predictions.models
    }
    rows = zip(table["user_id"], table["history"], table["target"], strict=True)
    return [
        UserRow(str(user), tuple(map(int, history)), int(target), {model: ranks[model][place] for model in ranks})
        for place, (user, history, target) in enumerate(rows)
    ]
