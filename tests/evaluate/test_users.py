"""Single users are read back as they were stored, in the order asked for."""

from __future__ import annotations

import pandas as pd

from engine.evaluate.predictions import Predictions
from engine.evaluate.users import UserRow, user_rows


def test_rows_come_in_the_order_asked_for_with_every_model_s_ranks() -> None:
    table = pd.DataFrame(
        {
            "user_id": ["a", "b", "c"],
            "history": [[1, 2], [], [3]],
            "target": [7, 8, 9],
            "m/candidate_rank": [1.0, 2.5, 3.0],
            "m/full_rank": [10.0, 20.0, 30.0],
        }
    )
    rows = user_rows(Predictions(table, {"m": "llm"}, "m", 10), [2, 0])
    assert rows == [
        UserRow("c", (3,), 9, {"m": (3.0, 30.0)}),
        UserRow("a", (1, 2), 7, {"m": (1.0, 10.0)}),
    ]
    assert user_rows(Predictions(table, {"m": "llm"}, "m", 10), []) == []
