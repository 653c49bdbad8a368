"""The softmax over a whole catalogue, in parts, is the softmax over a whole catalogue."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from engine.teachers import loss
from engine.teachers.loss import sampled_softmax_loss, softmax_loss

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


def _tensors(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    labels = torch.randint(ITEMS, (STATES,))
    return torch.randn(STATES, WIDTH), torch.randn(ITEMS, WIDTH), torch.randn(ITEMS), labels


@pytest.mark.parametrize("states_at_once", [1, 5, 100])
def test_a_sample_of_all_items_gives_the_full_softmax(states_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "SCORES_AT_ONCE", states_at_once * ITEMS)
    *tensors, labels = _tensors()
    full = softmax_loss(*tensors, labels, 0.0)
    sampled = sampled_softmax_loss(*tensors, labels, torch.randperm(ITEMS))
    assert sampled[0] == pytest.approx(full[0], rel=1e-5)
    for found, expected in zip(sampled[1:], full[1:], strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("count", [1, 7, 40])
def test_a_sample_is_corrected_for_its_size_and_holds_each_label_once(count: int) -> None:
    *tensors, labels = _tensors(1)
    negatives = torch.randperm(ITEMS)[:count]
    total, *gradients = sampled_softmax_loss(*tensors, labels, negatives)
    exact = [tensor.double().requires_grad_() for tensor in tensors]
    states, items, bias = exact
    losses = []
    for state, label in zip(states, labels, strict=True):
        others = negatives[negatives != label]
        scores = torch.cat([state @ items[label, :, None] + bias[label], items[others] @ state + bias[others]])
        weights = torch.tensor([1.0] + [ITEMS / count] * len(others), dtype=torch.float64)
        losses.append((weights * scores.exp()).sum().log() - scores[0])
    mean = torch.stack(losses).mean()
    assert total / STATES == pytest.approx(mean.item(), rel=1e-5)
    for found, expected in zip(gradients, torch.autograd.grad(mean, exact), strict=True):
        torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-4)


def test_the_normaliser_of_samples_is_the_full_one_on_average() -> None:
    """What the correction is for: without it the mean would be K / n of the sum over the other items."""
    (state, *_), items, bias, (label, *_) = _tensors(2)
    scores = items @ state + bias
    whole = float(scores.exp().sum())
    drawn = []
    for _ in range(4000):
        total, *_ = sampled_softmax_loss(state[None], items, bias, label[None], torch.randperm(ITEMS)[:10])
        drawn.append(float((scores[label] + total).exp()))
    mean, error = float(torch.tensor(drawn).mean()), float(torch.tensor(drawn).std()) / 4000**0.5
    assert mean == pytest.approx(whole, abs=4 * error)
    assert 4 * error < 0.1 * whole
