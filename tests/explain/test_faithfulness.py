"""Trust figures where the faithful order is known, and their summary."""

from __future__ import annotations

import numpy as np
import pytest
from explain_world import Checkerboard, CopyRule, case
from tiny_run import tiny_models

from engine.errors import Cancelled, StudioError
from engine.explain.case import Asker
from engine.explain.effects import leave_one_out
from engine.explain.faithfulness import Curves, UserFigures, erasure, faithfulness, summary
from engine.explain.removal import Delete
from engine.monitor import Monitor


def p(*scores: float) -> float:
    return float(np.exp(scores[0]) / np.exp(scores).sum())


def test_erasure_removes_the_most_important_first_and_ends_with_an_empty_history() -> None:
    asker = Asker(CopyRule({1: {10: 2.0}, 2: {10: 1.0}, 3: {11: 1.0}}), case([1, 2, 3], [10, 11]))
    found = erasure(asker, np.array([2.0, 1.0, -1.0]))
    full = p(3.0, 1.0)
    assert found.comprehensiveness == pytest.approx([full - p(1.0, 1.0), full - p(0.0, 1.0), full - p(0.0, 0.0)])
    assert found.sufficiency == pytest.approx([full - p(2.0, 0.0), full - p(3.0, 0.0), 0.0])


def test_leave_one_out_beats_a_random_order_where_it_is_the_truth() -> None:
    asker = Asker(Checkerboard(), case([2, 3, 4, 5, 6, 7, 8, 10], [12, 13, 15]))
    loo = erasure(asker, leave_one_out(asker, [Delete()])["delete"].margin)
    random = np.random.default_rng(0)
    others = [erasure(asker, random.permutation(8)) for _ in range(20)]
    assert loo.comprehensiveness.mean() > max(other.comprehensiveness.mean() for other in others) - 1e-9
    assert loo.sufficiency.mean() < min(other.sufficiency.mean() for other in others) + 1e-9


def figures(loo: float, grounded: bool, invented: int, n: int = 2) -> UserFigures:
    curves = {
        name: Curves(np.full(n, value), np.full(n, -value))
        for name, value in (("loo", loo), ("ig", 0.2), ("random", 0.0))
    }
    return UserFigures(curves, 0.5, {"loo/ig": loo}, grounded, invented)


def test_the_summary_holds_means_with_intervals() -> None:
    found = summary([figures(0.1, True, 0), figures(0.3, False, 3, n=4)], 500, seed=0)
    assert found["users"] == 2
    assert found["comprehensiveness"]["loo"] == {"value": 0.2, "low": 0.1, "high": 0.3}  # type: ignore[index]
    assert found["sufficiency"]["loo"]["value"] == -0.2  # type: ignore[index]
    assert found["comprehensiveness"]["ig"] == {"value": 0.2, "low": 0.2, "high": 0.2}  # type: ignore[index]
    assert found["grounded_share"]["value"] == 0.5  # type: ignore[index]
    assert found["invented_titles"]["value"] == 1.5  # type: ignore[index]
    curve = found["deletion_curve"]["loo"]  # type: ignore[index]
    assert [point["value"] for point in curve] == [0.5, 0.3, 0.3], "as far as the shortest history goes"


def test_a_run_is_measured_on_the_same_users_every_time() -> None:
    models = tiny_models()
    first, second = (faithfulness(models, 3, Monitor()) for _ in range(2))
    assert first == second
    assert first["users"] == 3
    assert set(first) >= {"comprehensiveness", "sufficiency", "tau", "grounded_share", "invented_titles"}
    assert set(first["comprehensiveness"]) == {"loo", "ig", "random"}  # type: ignore[call-overload]


def test_too_few_users_and_a_wish_to_stop() -> None:
    class Stop(Monitor):
        def should_stop(self) -> bool:
            return True

    models = tiny_models()
    with pytest.raises(StudioError, match="two users"):
        faithfulness(models, 1, Monitor())
    with pytest.raises(Cancelled):
        faithfulness(models, 3, Stop())
