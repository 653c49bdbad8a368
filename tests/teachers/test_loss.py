"""The softmax over a whole catalogue, in parts, is the softmax over a whole catalogue."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from engine.teachers import loss
from engine.teachers.loss import softmax_loss

STATES, ITEMS, WIDTH = 23, 41, 6


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("items_at_once", [7, 40, ITEMS, 100])
@pytest.mark.parametrize("states_at_once", [1, 5, 100])
def test_loss_and_gradients_are_those_of_pytorch(
    smoothing: float, items_at_once: int, states_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "ITEMS_AT_ONCE", items_at_once)
    monkeypatch.setattr(loss, "SCORES_AT_ONCE", states_at_once * min(items_at_once, ITEMS))
    torch.manual_seed(0)
    tensors = torch.randn(STATES, WIDTH), 3 * torch.randn(ITEMS, WIDTH), torch.randn(ITEMS)
    labels = torch.randint(ITEMS, (STATES,))
    total, *gradients = softmax_loss(*tensors, labels, smoothing)

    exact = [tensor.double().requires_grad_() for tensor in tensors]
    states, items, bias = exact
    mean = cross_entropy(states @ items.T + bias, labels, label_smoothing=smoothing)
    assert total / STATES == pytest.approx(mean.item(), rel=1e-5)
    for found, expected in zip(gradients, torch.autograd.grad(mean, exact), strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-4)
