"""Users are found by what became of their true next item, the clearest cases first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.evaluate.predictions import Predictions
from engine.evaluate.user_groups import GROUPS, popularity, user_groups

TABLE = pd.DataFrame(
    {
        "user_id": list("abcde"),
        "history": [[1], [1, 2], [1, 2, 3], [1], [1, 2]],
        "target": [7, 8, 7, 8, 9],
        "candidates": [[7, 8, 9]] * 5,
        "ours/candidate_rank": [1.0, 1.0, 1.0, 3.0, 2.0],
        "teacher/candidate_rank": [1.0, 3.0, 2.0, 1.0, 2.0],
        "popularity/candidate_scores": [[50.0, 20.0, 1.0]] * 5,
    }
)
PREDICTIONS = Predictions(TABLE, {"teacher": "teacher", "ours": "llm"}, "teacher", 10)


def _found(lengths: np.ndarray | None = None) -> dict[str, str]:
    found = user_groups(PREDICTIONS, "ours", lengths)
    assert tuple(found) == GROUPS
    return {name: "".join(TABLE["user_id"][places]) for name, places in found.items()}


def test_every_user_has_one_outcome_and_the_clearest_stand_first() -> None:
    found = _found()
    assert [found[name] for name in ("both", "only-model", "only-teacher", "none")] == ["a", "bc", "d", "e"]
    assert found["disagreement"] == "bdc", "users on whom both say the same are no disagreement"


def test_rare_items_and_histories_order_all_users() -> None:
    found = _found()
    assert (found["cold"], found["long"], found["short"]) == ("ebdac", "cbead", "adbec")
    assert _found(np.array([9, 1, 2, 3, 4]))["long"] == "aedcb", "whole histories count, where they are known"
    assert popularity(PREDICTIONS).tolist() == [50.0, 20.0, 50.0, 20.0, 1.0]


def test_a_table_without_the_popularity_row_knows_no_rare_items() -> None:
    table = TABLE.drop(columns="popularity/candidate_scores")
    assert popularity(Predictions(table, {}, "teacher", 10)).tolist() == [0.0] * 5
