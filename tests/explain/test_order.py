"""Order effects and stability of models that look at order, or do not."""

from __future__ import annotations

import numpy as np
import pytest
from explain_world import Checkerboard, LastItem, instance

from engine.explain.order import order_effects, stability
from engine.explain.predictor import Predictor


def test_a_model_that_counts_does_not_mind_any_order() -> None:
    found = order_effects(Predictor(Checkerboard(), instance([2, 3, 4], [6, 7])), seed=0)
    assert list(found.swaps) == [0, 0]
    assert found.shuffled_margin is not None
    assert (found.shuffled_margin.mean, found.shuffled_margin.sd) == (1.0, 0.0)
    assert found.same_top == 1.0


def test_a_model_of_the_last_item_minds_the_last_swap_alone() -> None:
    found = order_effects(Predictor(LastItem(), instance([2, 3, 4], [5, 9])), seed=0, shuffles=200)
    assert list(found.swaps) == [0, 1]
    assert found.shuffled_margin is not None
    assert found.shuffled_margin.mean == pytest.approx(1 / 3, abs=0.1)


def test_a_history_of_one_title_has_no_order() -> None:
    found = order_effects(Predictor(LastItem(), instance([4], [5, 9])), seed=0)
    assert list(found.swaps) == []
    assert (found.shuffled_margin, found.shuffled_rank, found.same_top) == (None, None, None)


def test_scores_of_reordered_candidates_come_back_by_column() -> None:
    predictor = Predictor(LastItem(), instance([4], [9, 5, 7]))
    scores = predictor.reordered([np.array([2, 0, 1]), np.array([1, 2, 0])])
    assert scores.tolist() == [[0, 1, 0], [0, 1, 0]]


def test_the_rank_of_a_model_without_position_bias_stays() -> None:
    found = stability(Predictor(LastItem(), instance([4], [9, 5, 7, 8], target=1)), seed=0)
    assert (found.rank.mean, found.rank.sd, found.same_top) == (1.0, 0.0, 1.0)
    assert found.margin.sd == 0.0


def test_position_bias_shows_as_spread() -> None:
    # the place in the list outweighs everything: any candidate comes first when listed first
    found = stability(Predictor(LastItem(slope=2.0), instance([4], [9, 5, 7, 8], target=1)), seed=0, shuffles=400)
    assert found.rank.mean == pytest.approx(2.5, abs=0.2)
    assert found.rank.sd > 1.0
    assert found.same_top == pytest.approx(0.25, abs=0.1)
