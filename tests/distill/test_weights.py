"""How TA and RPS share the soft prompt's step."""

from __future__ import annotations

import pytest

from engine.config import DistillConfig
from engine.distill.weights import dynamic_weights, task_weights


def test_dynamic_weights_go_with_the_inverse_root_of_the_norms() -> None:
    assert dynamic_weights({"ta": 4.0, "rps": 1.0}) == pytest.approx({"ta": 1 / 3, "rps": 2 / 3})
    assert dynamic_weights({"ta": 0.02, "rps": 0.02}) == pytest.approx({"ta": 0.5, "rps": 0.5})


def test_dynamic_weights_do_not_depend_on_the_scale_of_both() -> None:
    assert dynamic_weights({"ta": 7e-4, "rps": 3e-4}) == pytest.approx(dynamic_weights({"ta": 7.0, "rps": 3.0}))


def test_a_task_without_gradient_takes_the_step_and_divides_nothing_by_zero() -> None:
    weights = dynamic_weights({"ta": 0.0, "rps": 1.0})
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["ta"] > 0.99


def test_fixed_weights_are_the_settings() -> None:
    config = DistillConfig(weights="fixed", ta_weight=0.3)
    assert task_weights({"ta": 4.0, "rps": 1.0}, config) == pytest.approx({"ta": 0.3, "rps": 0.7})


@pytest.mark.parametrize("name", ["ta", "rps"])
def test_a_task_alone_has_all_the_weight(name: str) -> None:
    assert task_weights({name: 3.0}, DistillConfig(weights="fixed", ta_weight=0.3)) == {name: 1.0}
    assert task_weights({name: 3.0}, DistillConfig()) == {name: 1.0}
