"""The optimizer of both stages: rates, clipping, masters of low-precision weights, state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.config import DistillConfig
from engine.errors import StudioError
from engine.optim import StageOptimizer, learning_rate


def settings(**values: object) -> DistillConfig:
    return DistillConfig.model_validate({"steps": 100, "warmup": 0.0, "lr": 0.1, "weight_decay": 0.0, **values})


def pull(optimizer: StageOptimizer, parameter: nn.Parameter, steps: range) -> None:
    """Steps whose gradient depends on their number only."""
    for step in steps:
        parameter.grad = torch.full_like(parameter, 1.0 + step % 3)
        optimizer.step(step)
        optimizer.zero_grad()


def test_rate_rises_to_its_peak_and_falls_towards_zero() -> None:
    rates = [learning_rate(step, 10, 6.0, warmup=0.2) for step in range(10)]
    assert rates == pytest.approx([2.0, 4.0, 6.0, 5.25, 4.5, 3.75, 3.0, 2.25, 1.5, 0.75])
    assert learning_rate(0, 1, 6.0, warmup=0.9) > 0


def test_nothing_to_train_is_a_defect() -> None:
    with pytest.raises(ValueError, match="no parameters"):
        StageOptimizer({}, settings())


@pytest.mark.parametrize("name", ["adamw", "lion"])
def test_first_step_moves_by_the_rate_against_the_gradient(name: str) -> None:
    parameter = nn.Parameter(torch.zeros(3))
    optimizer = StageOptimizer({"p": parameter}, settings(optimizer=name))
    parameter.grad = torch.tensor([2.0, -0.5, 1.0])
    assert optimizer.step(0) == pytest.approx(0.1)
    torch.testing.assert_close(parameter.data, torch.tensor([-0.1, 0.1, -0.1]))


def test_steps_too_small_for_bf16_add_up_in_the_master() -> None:
    parameter = nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    optimizer = StageOptimizer({"p": parameter}, settings(optimizer="lion", lr=2e-4, steps=1000))
    pull(optimizer, parameter, range(5))
    assert parameter.item() == 1.0, "bf16 has no number so near to one"
    pull(optimizer, parameter, range(5, 100))
    assert parameter.item() == pytest.approx(0.981, abs=0.004)
    assert parameter.dtype == torch.bfloat16


def test_changes_within_full_precision_reach_masters_and_parameters() -> None:
    parameter = nn.Parameter(torch.full((2,), 0.3, dtype=torch.bfloat16))
    optimizer = StageOptimizer({"p": parameter}, settings())
    parameter.grad = torch.ones_like(parameter)
    optimizer.step(0)
    with optimizer.full_precision(), torch.no_grad():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        parameter[0] = 0.0
    assert parameter.dtype == torch.bfloat16
    assert parameter[0] == optimizer.masters["p"][0] == 0
    assert parameter[1] == optimizer.masters["p"][1].bfloat16() != 0
    parameter.sum().backward()
    assert parameter.grad is not None
    assert parameter.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["adamw", "lion"])
def test_state_continues_exactly(name: str, dtype: torch.dtype) -> None:
    def fresh() -> tuple[StageOptimizer, nn.Parameter]:
        parameter = nn.Parameter(torch.linspace(0, 1, 5, dtype=dtype))
        return StageOptimizer({"p": parameter}, settings(optimizer=name)), parameter

    straight, expected = fresh()
    pull(straight, expected, range(9))
    first, parameter = fresh()
    pull(first, parameter, range(4))
    stored = {key: tensor.clone() for key, tensor in first.state().items()}
    second, parameter = fresh()
    second.load_state(stored)
    pull(second, parameter, range(4, 9))
    assert torch.equal(parameter, expected)
    assert torch.equal(second.masters["p"], straight.masters["p"])


def test_divergence_is_one_line_and_changes_nothing() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = StageOptimizer({"p": parameter}, settings())
    parameter.grad = torch.tensor([1.0, float("nan")])
    with pytest.raises(StudioError, match=r"diverged at step 8.*distill\.lr"):
        optimizer.step(7)
    assert torch.equal(parameter, torch.zeros(2))


def test_large_gradients_are_clipped() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = StageOptimizer({"p": parameter}, settings(clip=2.0))
    parameter.grad = torch.tensor([30.0, 40.0])
    optimizer.step(0)
    torch.testing.assert_close(optimizer.masters["p"].grad, torch.tensor([1.2, 1.6]))
