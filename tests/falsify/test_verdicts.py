"""What intervals decide: claims, and tests made of them."""

from __future__ import annotations

import numpy as np

from engine.falsify.record import FindingBuilder, rises, stays
from engine.metrics.bootstrap import Interval


def interval(low: float, high: float) -> tuple[float, float, float]:
    return ((low + high) / 2, low, high)


def test_verdicts_tell_a_claim_that_holds_from_one_that_does_not_and_from_one_that_may() -> None:
    gains = {(0.01, 0.2): "passed", (-0.1, 0.01): "failed", (-0.2, -0.1): "failed", (-0.1, 0.1): "not decided"}
    assert {ends: rises(Interval(*interval(*ends)), 150) for ends in gains} == gains
    changes = {(-0.04, 0.04): "passed", (0.06, 0.2): "failed", (-0.2, -0.06): "failed", (-0.01, 0.06): "not decided"}
    assert {ends: stays(Interval(*interval(*ends)), 150) for ends in changes} == changes


def test_too_few_users_cannot_show_that_nothing_happens() -> None:
    nothing = Interval(0.0, 0.0, 0.0)
    assert [rises(nothing, users) for users in (149, 150)] == ["not decided", "failed"]
    assert [stays(nothing, users) for users in (59, 60)] == ["not decided", "passed"]
    assert rises(Interval(-0.2, -0.3, -0.1), 10) == "failed", "the opposite is something"
    assert rises(Interval(0.2, 0.1, 0.3), 10) == "passed"


def test_a_test_has_the_worst_verdict_of_the_claims_that_decide() -> None:
    up, flat, unsure = np.full(150, 0.3), np.zeros(150), np.tile([1.0, -1.0], 75)

    def verdict(*values: np.ndarray, missing: str = "") -> str:
        evidence = FindingBuilder(200, 0)
        evidence.rises("beside", "HR@1", flat)
        for number, value in enumerate(values):
            evidence.rises(f"claim {number}", "HR@1", value, deciding=True)
        return evidence.finding(1, "", "", missing).verdict

    assert verdict(up, up) == "passed"
    assert verdict(up, unsure) == "not decided"
    assert verdict(unsure, flat, up) == "failed"
    assert verdict(up, missing="no other prompt") == "not decided"
    assert verdict(flat, missing="no other prompt") == "failed"
