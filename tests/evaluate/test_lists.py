"""What recommended lists hold, by known answers."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluate.lists import ORDER, genre_diversity, gini, list_measures
from engine.evaluate.report import Measure
from engine.evaluate.slices import Context
from engine.metrics.bootstrap import Bootstrap


def about(popularity: list[int], genres: list[tuple[str, ...]] | None = None, users: int = 8) -> Context:
    none = np.zeros(0, np.int64)
    kinds = tuple(genres) if genres else ((),) * len(popularity)
    return Context(np.array(popularity), users, kinds, none, none, none.astype(bool))


def _measures(items: np.ndarray, it: Context) -> dict[str, Measure]:
    return list_measures({"a model": items}, it, Bootstrap(len(items), 100, 0))["a model"]


def measures(items: list[list[int]], it: Context) -> dict[str, float]:
    found = _measures(np.array(items), it)
    return {name: measure.value for name, measure in found.items()}


def test_one_list_for_everybody_covers_little_and_is_concentrated() -> None:
    same = measures([[0, 1]] * 6, about([4, 2, 1, 1]))
    apart = measures([[0, 1], [2, 3]] * 3, about([4, 2, 1, 1]))
    assert same["coverage@2"] == 0.5
    assert apart["coverage@2"] == 1.0
    assert same["gini@2"] == pytest.approx(0.5)  # half of the items have everything, in equal parts
    assert apart["gini@2"] == pytest.approx(0.0)


def test_popularity_and_novelty_are_means_over_lists() -> None:
    found = _measures(np.array([[0, 1], [2, 3]]), about([4, 2, 1, 0]))
    assert found["popularity@2"].value == pytest.approx((3 + 0.5) / 2)
    assert found["novelty@2"].value == pytest.approx(((1 + 2) / 2 + (3 + 3) / 2) / 2)  # never chosen counts as once
    assert found["novelty@2"].low == pytest.approx(1.5)
    assert found["novelty@2"].high == pytest.approx(3.0)
    assert found["coverage@2"].low is None
    assert found["coverage@2"].users == 2


def test_only_the_first_ten_of_a_list_count() -> None:
    long = np.tile(np.arange(20), (3, 1))
    found = _measures(long, about(list(range(20))))
    assert set(found) == {"coverage@10", "popularity@10", "novelty@10", "gini@10"}  # nobody named a genre
    assert found["coverage@10"].value == 0.5
    assert found["popularity@10"].value == 4.5


@pytest.mark.parametrize(
    ("counts", "expected"), [([1, 1, 1, 1], 0.0), ([0, 0, 0, 8], 0.75), ([0, 2], 0.5), ([1, 3], 0.25), ([5], 0.0)]
)
def test_gini(counts: list[int], expected: float) -> None:
    assert gini(np.array(counts)) == pytest.approx(expected)
    assert gini(10 * np.array(counts[::-1])) == pytest.approx(expected)


def test_diversity_is_the_mean_distance_of_pairs_that_have_genres() -> None:
    genres = (("A",), ("A", "B"), ("C",), (), ("A",))
    lists = np.array([[0, 4], [0, 1], [0, 2], [0, 3], [0, 1], [2, 3]])
    expected = [0.0, 0.5, 1.0, np.nan, 0.5, np.nan]
    np.testing.assert_allclose(genre_diversity(lists, genres), expected)
    three = np.array([[0, 1, 2], [0, 1, 3]])
    np.testing.assert_allclose(genre_diversity(three, genres), [(0.5 + 1 + 1) / 3, 0.5])


def test_diversity_does_not_depend_on_who_is_asked_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    genres = tuple(tuple(random.choice(list("ABCDEF"), random.integers(0, 4), replace=False)) for _ in range(40))
    lists = np.stack([random.permutation(40)[:10] for _ in range(30)])
    whole = genre_diversity(lists, genres)
    monkeypatch.setattr("engine.evaluate.lists._CHUNK", 7)
    np.testing.assert_allclose(genre_diversity(lists, genres), whole)
    np.testing.assert_allclose(genre_diversity(lists[[5]], genres), whole[[5]])


def test_models_beside_each_other_are_measured_as_by_themselves() -> None:
    random = np.random.default_rng(0)
    genres = [("A",), ("B",), (), ("A", "B"), (), ("C",)]
    lists = {name: np.stack([random.permutation(6)[:3] for _ in range(9)]) for name in "abc"}
    together = list_measures(lists, about([5, 4, 3, 2, 1, 1], genres), Bootstrap(9, 100, 0))
    for name, items in lists.items():
        assert together[name] == _measures(items, about([5, 4, 3, 2, 1, 1], genres))
        assert list(together[name]) == [f"{kind}@3" for kind in ORDER]


def test_lists_without_genres_are_left_out_and_counted() -> None:
    it = about([1, 1, 1], [("A",), ("B",), ()])
    found = _measures(np.array([[0, 1], [0, 2], [1, 0]]), it)
    assert found["diversity@2"].value == 1.0
    assert found["diversity@2"].users == 2
