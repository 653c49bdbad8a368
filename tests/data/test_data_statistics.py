"""Figures of a data set small enough to count by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import pytest

from engine.data import Dataset, statistics


def test_known_counts(make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset(
        [[0, 1, 2, 3], [0, 1], [0, 4, 5]],
        timestamps=[[1, 1, 5, 5], [2, 3], [7, 7, 8]],
        titles=["Twin", "B", "C", "D", "E", "F", "twin", *(f"Rest {n}" for n in range(13))],
    )
    found = statistics(dataset)
    assert (found.users, found.items, found.interactions) == (3, 20, 9)
    assert found.density == pytest.approx(9 / 60)
    assert found.popularity == [3, 2, 1, 1, 1, 1, *[0] * 14]
    assert found.popular_share == pytest.approx(5 / 9)  # the two most popular of twenty
    assert found.tie_share == pytest.approx(3 / 6)
    assert found.test_tie_share == pytest.approx(1 / 3)
    assert found.look_alikes == 1
    assert found.history_median == 3
    assert found.history_edges == [2, 3, 4, 5]
    assert found.history_users == [1, 1, 1]


def test_they_are_plain_json(make_dataset: Callable[..., Dataset]) -> None:
    assert json.loads(json.dumps(asdict(statistics(make_dataset([[0, 1, 2]])))))["interactions"] == 3
