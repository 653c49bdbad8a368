"""Agreement with the teacher, by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.metrics import agreement as module
from engine.metrics.agreement import agreement, kendall_tau

UP = np.arange(8.0)
ORDERS = np.array(list(itertools.permutations(range(6))))


def test_the_teacher_agrees_with_itself() -> None:
    values = agreement(UP[None], UP[None])
    assert {name: value.tolist() for name, value in values.items()} == {
        "top-1": [1.0],
        "overlap@5": [1.0],
        "kendall-tau": [1.0],
    }


def test_the_reverse_order_agrees_on_nothing_but_the_middle() -> None:
    values = agreement(UP[None], -UP[None])
    assert values["top-1"].tolist() == [0.0]
    assert values["overlap@5"] == pytest.approx([2 / 5])  # the best five of eight, from either end, share two
    assert values["kendall-tau"].tolist() == [-1.0]


def test_scales_do_not_matter_only_orders() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(4, 9)), random.normal(size=(4, 9))
    for name, values in agreement(a, b).items():
        assert np.array_equal(values, agreement(np.exp(a), 3 * b - 1)[name])


def test_one_swapped_pair_costs_two_of_all_pairs() -> None:
    assert kendall_tau(np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])) == pytest.approx(1 - 2 / 6)


def test_tau_b_with_ties_by_hand() -> None:
    # five of six pairs are ordered in a, all six in b; four agree, one does not: 3 / sqrt(5 * 6)
    assert kendall_tau(np.array([1, 1, 2, 3]), np.array([1, 2, 4, 3])) == pytest.approx(3 / np.sqrt(30))


def test_a_model_without_opinion_agrees_by_chance_only() -> None:
    values = agreement(np.zeros((1, 20)), np.arange(20.0)[None])
    assert values["top-1"] == pytest.approx([1 / 20])
    assert values["overlap@5"] == pytest.approx([1 / 4])
    assert values["kendall-tau"].tolist() == [0.0]


@given(arrays(np.int64, (6,), elements=st.integers(0, 3)))
def test_overlap_counts_ties_as_if_broken_at_random(scores: np.ndarray) -> None:
    other = np.arange(6)  # its best five are all but the first
    orders = ORDERS[(np.diff(scores[ORDERS]) <= 0).all(axis=1)]
    expected = (orders[:, :5] > 0).mean()
    assert agreement(scores[None], other[None])["overlap@5"] == pytest.approx([expected])


@pytest.mark.parametrize("m", [1, 2, 20, 300])
def test_many_examples_agree_as_each_by_itself_in_bounded_memory(m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    above = module._above
    monkeypatch.setattr(module, "_above", lambda scores: looked.append(scores.size * m) or above(scores))
    monkeypatch.setattr(module, "CELLS", 4000)
    a, b = np.random.default_rng(0).integers(0, 9, size=(2, 25, m))
    together = agreement(a, b)
    assert max(looked) <= max(4000, m * m)
    for place in range(25):
        for name, value in agreement(a[place, None], b[place, None]).items():
            assert value[0] == together[name][place]


def test_with_fewer_than_five_candidates_all_of_them_are_shared() -> None:
    assert agreement(np.array([[1.0, 2, 3]]), np.array([[3.0, 2, 1]]))["overlap@5"].tolist() == [1.0]


@given(arrays(np.int64, (6,), elements=st.integers(0, 4)), arrays(np.int64, (6,), elements=st.integers(0, 4)))
def test_tau_b_follows_its_definition(a: np.ndarray, b: np.ndarray) -> None:
    signs = [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i, j in itertools.combinations(range(6), 2)]
    ordered = sum(x != 0 for x, _ in signs) * sum(y != 0 for _, y in signs)
    expected = sum(x * y for x, y in signs) / np.sqrt(ordered) if ordered else 0
    assert kendall_tau(a, b) == pytest.approx(expected)


@given(st.permutations(range(6)))
def test_the_order_of_candidates_changes_nothing(order: list[int]) -> None:
    a, b = np.array([[3, 1, 1, 5, 0, 2.0]]), np.array([[2, 2, 4, 1, 0, 0.0]])
    for name, value in agreement(a, b).items():
        assert agreement(a[:, order], b[:, order])[name] == pytest.approx(value)
