"""HR@k and NDCG@k against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.errors import StudioError
from engine.metrics.ranks import (
    METRICS,
    Ranks,
    checked_scores,
    hit_rate,
    ndcg,
    per_example,
    target_columns,
    target_ranks,
)


def _untied(*ranks: int) -> Ranks:
    return Ranks(np.array(ranks) - 1, np.zeros(len(ranks), np.int64))


def test_five_users_by_hand() -> None:
    values = {name: value.mean() for name, value in per_example(_untied(1, 2, 3, 7, 12)).items()}
    assert values["HR@1"] == pytest.approx(1 / 5)
    assert values["HR@5"] == pytest.approx(3 / 5)
    assert values["HR@10"] == pytest.approx(4 / 5)
    # 1/log2(2) = 1, 1/log2(3) = .63093, 1/log2(4) = .5, 1/log2(8) = .33333
    assert values["NDCG@5"] == pytest.approx((1 + 0.6309297536 + 0.5) / 5)
    assert values["NDCG@10"] == pytest.approx((1 + 0.6309297536 + 0.5 + 1 / 3) / 5)


def test_a_metric_is_a_mean_over_users_not_a_sum() -> None:
    once, thrice = per_example(_untied(1, 4)), per_example(_untied(*[1, 4] * 3))
    for name in METRICS:
        assert once[name].mean() == thrice[name].mean() <= 1


def test_scores_become_places() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [3.0, 2.0, 2.0], [1.0, 1.0, 1.0]])
    ranks = target_ranks(scores, np.array([2, 1, 0]))
    assert ranks.better.tolist() == [1, 1, 0]
    assert ranks.tied.tolist() == [0, 1, 2]
    assert ranks.expected.tolist() == [2.0, 2.5, 2.0]


def test_two_tied_for_first_share_the_hit() -> None:
    ranks = Ranks(np.array([0]), np.array([1]))
    assert hit_rate(ranks, 1).tolist() == [0.5]
    assert ndcg(ranks, 5) == pytest.approx([(1 + 0.6309297536) / 2])


def test_ties_across_the_cut_off_count_their_share() -> None:
    ranks = Ranks(np.array([3]), np.array([3]))  # places 4 to 7 are equally likely
    assert hit_rate(ranks, 5).tolist() == [0.5]
    assert ndcg(ranks, 5) == pytest.approx([(1 / np.log2(5) + 1 / np.log2(6)) / 4])


@pytest.mark.parametrize("m", [2, 5, 20, 100])
def test_a_model_without_opinion_is_at_chance_wherever_the_target_stands(m: int) -> None:
    scores = np.zeros((m, m))
    values = per_example(target_ranks(scores, np.arange(m)))
    assert np.allclose(values["HR@1"], 1 / m)
    assert np.allclose(values["HR@10"], min(10 / m, 1))


def test_a_random_model_is_at_chance() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(20_000, 20))
    values = per_example(target_ranks(scores, random.integers(0, 20, 20_000)))
    assert values["HR@1"].mean() == pytest.approx(1 / 20, abs=0.006)
    assert values["HR@5"].mean() == pytest.approx(1 / 4, abs=0.012)


@given(arrays(np.int64, (6,), elements=st.integers(0, 3)), st.permutations(range(6)))
def test_the_order_of_candidates_changes_nothing(scores: np.ndarray, order: list[int]) -> None:
    plain = per_example(target_ranks(scores[None], np.array([0])))
    shuffled = per_example(target_ranks(scores[order][None], np.array([order.index(0)])))
    for name in METRICS:
        assert plain[name] == shuffled[name]


@given(arrays(np.int64, (7,), elements=st.integers(0, 3)), st.integers(1, 7))
def test_metrics_are_the_mean_over_all_ways_to_break_ties(scores: np.ndarray, k: int) -> None:
    better, tied = int((scores > scores[0]).sum()), int((scores == scores[0]).sum() - 1)
    places = np.arange(better + 1, better + tied + 2)
    ranks = target_ranks(scores[None], np.array([0]))
    assert hit_rate(ranks, k)[0] == pytest.approx(np.mean(places <= k))
    assert ndcg(ranks, k)[0] == pytest.approx(np.mean((places <= k) / np.log2(places + 1)))


def test_the_true_item_stands_exactly_once_among_the_candidates() -> None:
    assert target_columns(np.array([[4, 2, 9], [1, 2, 3]]), np.array([9, 1])).tolist() == [2, 0]
    with pytest.raises(ValueError, match="exactly once"):
        target_columns(np.array([[4, 2, 9]]), np.array([5]))
    with pytest.raises(ValueError, match="exactly once"):
        target_columns(np.array([[4, 4, 9]]), np.array([4]))


def test_scores_that_are_not_numbers_are_refused_by_name() -> None:
    with pytest.raises(StudioError, match="delrec"):
        checked_scores("delrec", np.array([[0.0, np.nan]]), (1, 2))
    with pytest.raises(ValueError, match="shape"):
        checked_scores("delrec", np.zeros((2, 2)), (1, 2))
