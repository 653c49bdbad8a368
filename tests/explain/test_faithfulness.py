"""Trust figures where the faithful order is known, and their summary."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from explain_world import Checkerboard, CopyRule, instance
from several import together
from test_grounding import EVIDENCE
from tiny_run import tiny_models

from engine.errors import Cancelled, StudioError
from engine.explain.effects import leave_one_out
from engine.explain.erasure import Curves, Limits, erasure, limits
from engine.explain.faithfulness import UserFigures, faithfulness, summary
from engine.explain.predictor import Predictor
from engine.explain.removal import Delete
from engine.explain.text_diversity import commonest, distinct_2, skeleton
from engine.monitor import Monitor
from engine.ranking import Ranker


def p(*scores: float) -> float:
    return float(np.exp(scores[0]) / np.exp(scores).sum())


def test_erasure_removes_the_most_important_first_and_ends_with_an_empty_history() -> None:
    predictor = Predictor(CopyRule({1: {10: 2.0}, 2: {10: 1.0}, 3: {11: 1.0}}), instance([1, 2, 3], [10, 11]))
    found = erasure(predictor, np.array([2.0, 1.0, -1.0]))
    full = p(3.0, 1.0)
    assert found.comprehensiveness == pytest.approx([full - p(1.0, 1.0), full - p(0.0, 1.0), full - p(0.0, 0.0)])
    assert found.sufficiency == pytest.approx([full - p(2.0, 0.0), full - p(3.0, 0.0), 0.0])


def test_leave_one_out_beats_a_random_order_where_it_is_the_truth() -> None:
    predictor = Predictor(Checkerboard(), instance([2, 3, 4, 5, 6, 7, 8, 10], [12, 13, 15]))
    loo = erasure(predictor, leave_one_out(predictor, [Delete()])["delete"].margin)
    random = np.random.default_rng(0)
    others = [erasure(predictor, random.permutation(8)) for _ in range(20)]
    assert loo.comprehensiveness.mean() > max(other.comprehensiveness.mean() for other in others) - 1e-9
    assert loo.sufficiency.mean() < min(other.sufficiency.mean() for other in others) + 1e-9


@pytest.mark.parametrize("ranker", [Checkerboard(), CopyRule({1: {10: 3.0}, 2: {11: 2.0}, 3: {10: 1.0}, 4: {11: 0.5}})])
def test_greedy_limits_are_those_of_all_orders_where_titles_act_alone(ranker: Ranker) -> None:
    predictor = Predictor(ranker, instance([1, 2, 3, 4], [10, 11]))
    all_orders = [np.array(order, np.float64) for order in permutations(range(4))]
    means = [erasure(predictor, order).comprehensiveness.mean() for order in all_orders]
    found = limits(predictor, [])
    assert (found.low, found.high) == pytest.approx((min(means), max(means)))
    for order, mean in zip(all_orders, means, strict=True):
        assert erasure(predictor, -order).reversed == pytest.approx(mean), (
            "what stays is what the reverse order has left"
        )


def test_no_order_lies_outside_the_limits_and_the_best_are_one_and_zero() -> None:
    predictor = Predictor(CopyRule({1: {10: 2.0}, 2: {10: 1.0}, 3: {11: 1.0}}), instance([1, 2, 3], [10, 11]))
    loo = erasure(predictor, leave_one_out(predictor, [Delete()])["delete"].margin)
    assert limits(predictor, []).normalised(loo) == pytest.approx({"comprehensiveness": 1.0, "sufficiency": 0.0})
    bold = Curves(np.array([0.9, 0.9, 0.9]), np.array([0.9, 0.9, 0.0]))
    assert limits(predictor, [bold]).normalised(bold)["comprehensiveness"] == 1.0, (
        "a measured order may be the best known"
    )


def test_a_single_title_has_no_order() -> None:
    predictor = Predictor(CopyRule({1: {10: 2.0}}), instance([1], [10, 11]))
    assert not limits(predictor, [erasure(predictor, np.ones(1))]).apart
    assert not Limits(0.2, 0.2 + 1e-9).apart, "nor has what differs by rounding alone"


def figures(loo: float, grounded: bool, invented: int, n: int = 2) -> UserFigures:
    curves = {
        name: Curves(np.full(n, value), np.full(n, -value))
        for name, value in (("loo", loo), ("ig", 0.2), ("random", 0.0))
    }
    return UserFigures(curves, Limits(0.0, 0.4 * (n > 1)), 0.5, {"loo/ig": loo}, grounded, invented, grounded, 0.5, "…")


def test_the_summary_holds_means_with_intervals() -> None:
    found = summary([figures(0.1, True, 0), figures(0.3, False, 3, n=4)], 500, seed=0)
    assert found["users"] == 2
    assert found["comprehensiveness"]["loo"] == {"value": 0.2, "low": 0.1, "high": 0.3}  # type: ignore[index]
    assert found["sufficiency"]["loo"]["value"] == -0.2  # type: ignore[index]
    assert found["comprehensiveness"]["ig"] == {"value": 0.2, "low": 0.2, "high": 0.2}  # type: ignore[index]
    assert found["grounded_share"]["value"] == 0.5  # type: ignore[index]
    assert found["invented_titles"]["value"] == 1.5  # type: ignore[index]
    assert found["written_share"]["value"] == 0.5  # type: ignore[index]
    assert found["statement_precision"]["value"] == 0.5  # type: ignore[index]
    assert found["variety"] == {"distinct_2": 0.0, "commonest_skeleton": 1.0}
    shares = found["normalised"]
    assert shares["users"] == 2  # type: ignore[index]
    assert shares["comprehensiveness"]["loo"] == {"value": 0.5, "low": 0.25, "high": 0.75}  # type: ignore[index]
    curve = found["deletion_curve"]["loo"]  # type: ignore[index]
    assert [point["value"] for point in curve] == [0.5, 0.3, 0.3], "as far as the shortest history goes"


def test_users_for_whom_the_order_makes_no_difference_have_no_normalised_figures() -> None:
    found = summary([figures(0.1, True, 0, n=1), figures(0.3, False, 3), figures(0.3, False, 3)], 500, seed=0)
    assert found["normalised"]["users"] == 2  # type: ignore[index]
    assert summary([figures(0.1, True, 0, n=1)] * 2, 500, seed=0)["normalised"] is None


def test_a_run_is_measured_on_the_same_users_every_time() -> None:
    models = tiny_models()
    first = faithfulness(models, 3, Monitor())
    assert together(2, lambda: faithfulness(models, 3, Monitor())) == [first, first]  # by whomever they are shared
    assert first["users"] == 3
    assert set(first) >= {"comprehensiveness", "sufficiency", "tau", "grounded_share", "invented_titles"}
    assert first["written_share"]["value"] == first["statement_precision"]["value"] == 1.0  # type: ignore[index]
    assert set(first["comprehensiveness"]) == {"loo", "ig", "random"}  # type: ignore[call-overload]
    shares = first["normalised"]["comprehensiveness"]  # type: ignore[index]
    assert all(0 <= figure["low"] <= figure["high"] <= 1 for figure in shares.values())


def test_too_few_users_and_a_wish_to_stop() -> None:
    class Stop(Monitor):
        def should_stop(self) -> bool:
            return True

    models = tiny_models()
    with pytest.raises(StudioError, match="two users"):
        faithfulness(models, 1, Monitor())
    with pytest.raises(Cancelled):
        faithfulness(models, 3, Stop())


def test_skeletons_hide_what_a_text_is_about_and_variety_counts_the_rest() -> None:
    shape = skeleton("Alien (1979) speaks for Aliens. SASRec puts it at #4.", EVIDENCE)
    assert shape == skeleton("The Empire Strikes Back speaks for Aliens. SASRec puts it at #7.", EVIDENCE)
    assert shape != skeleton("Alien supports Aliens. SASRec puts it at #4.", EVIDENCE)
    assert distinct_2(["a b c", "a b d"]) == 0.75
    assert distinct_2(["", "a"]) == 0.0
    assert commonest(["x", "x", "y", "z"]) == 0.5
