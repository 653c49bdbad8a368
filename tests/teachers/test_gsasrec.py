"""gBCE: the formula of the paper, plain cross-entropy at t = 0, and probabilities that come out right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.seeds import generator
from engine.teachers.gsasrec import GSASRec, gbce
from engine.teachers.windows import Batch
from tests.teachers.conftest import N_ITEMS, TINY, Train, walk


def network(**settings: object) -> GSASRec:
    torch.manual_seed(0)
    return GSASRec(N_ITEMS, TINY.model_copy(update={"gsasrec": TINY.gsasrec.model_copy(update=settings)})).eval()


@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
def test_the_loss_is_the_paper_s(t: float) -> None:
    """-(log σ(s+)^β + sum of log(1 - σ(s-))) / (K + 1), β = α(t(1 - 1/α) + 1/α), α = K / (items - 1)."""
    own = network(negatives=3, t=t)
    alpha = 3 / (N_ITEMS - 1)
    assert own.beta == pytest.approx(alpha * (t * (1 - 1 / alpha) + 1 / alpha))
    positive, negatives = (
        torch.tensor([0.3, -2.0]).double(),
        torch.tensor([[1.0, -1.0, 0.5], [0.0, 3.0, -4.0]]).double(),
    )
    expected = [
        -(torch.log(torch.sigmoid(p) ** own.beta) + torch.log(1 - torch.sigmoid(n)).sum()) / 4
        for p, n in zip(positive, negatives, strict=True)
    ]
    torch.testing.assert_close(gbce(positive, negatives, own.beta), torch.stack(expected))


def test_without_t_it_is_binary_cross_entropy_and_what_is_no_negative_costs_nothing() -> None:
    assert network(t=0).beta == 1
    scores = torch.tensor([0.7, -1.0, 2.0, -torch.inf])
    ones = torch.tensor([1.0, 0.0, 0.0])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(scores[:3], ones, reduction="sum") / 4
    torch.testing.assert_close(gbce(scores[:1], scores[None, 1:], 1.0)[0], expected)


@pytest.mark.parametrize("t", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("negatives", [1, 5, 40])
def test_what_it_learns_is_read_as_the_probabilities_that_it_was_taught(t: float, negatives: int) -> None:
    """Scores that make the expected loss least, found by descent: the distribution of the labels comes back."""
    own = network(negatives=negatives, t=t)
    truth = torch.arange(1.0, N_ITEMS + 1).double() / torch.arange(1.0, N_ITEMS + 1).sum()
    scores = torch.zeros(N_ITEMS, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([scores], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")
    told_from = negatives / (N_ITEMS - 1)  # how often each other item is drawn

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        apart = torch.nn.functional.softplus(scores)
        value = (truth * own.beta * torch.nn.functional.softplus(-scores)).sum()
        value = value + told_from * ((1 - truth) * apart).sum()
        value.backward()
        return value

    optimizer.step(loss)
    own.bias.data = scores.detach().float()
    found = own.logprobs(torch.zeros(1, TINY.width))[0].exp()
    torch.testing.assert_close(found, truth.float(), rtol=1e-3, atol=1e-4)


def test_a_step_tells_every_label_from_its_window_s_negatives_and_from_nothing_else() -> None:
    own = network(negatives=6)
    labels = torch.tensor([[1, 2, 3], [5, 6, N_ITEMS]])
    inputs = torch.cat([torch.full((2, 1), own.start), labels[:, :-1]], dim=1)
    batch = Batch(inputs, labels, labels < N_ITEMS)
    learned = torch.arange(8)
    summed, count = own.backward(batch, learned, generator(3))
    drawn = generator(3).integers(8, size=(2, 6))
    expected = []
    for row, place in batch.real.nonzero().tolist():
        scores = own.logits(own(inputs, batch.real)[row, place])
        told_from = scores[[item for item in drawn[row] if item != labels[row, place]]]
        terms = own.beta * torch.nn.functional.softplus(-scores[labels[row, place]])
        expected.append((terms + torch.nn.functional.softplus(told_from).sum()) / 7)
    assert count == len(expected) == 5
    assert summed == pytest.approx(float(torch.stack(expected).detach().sum()), rel=1e-5)
    assert own.bias.grad is not None
    assert own.bias.grad.nonzero().squeeze(1).tolist() == sorted({*drawn.ravel().tolist(), 1, 2, 3, 5, 6})


def test_it_begins_near_an_even_distribution_and_guessing_costs_what_that_does() -> None:
    own = network(negatives=4, t=1)
    even = own.logprobs(torch.zeros(1, TINY.width))
    torch.testing.assert_close(even, torch.full((1, N_ITEMS), -np.log(N_ITEMS)).float())
    chance = 1 / N_ITEMS
    at = np.log(chance / (1 - chance)) + np.log(own.beta / own.sampling_rate)
    labels, others = np.logaddexp(0, -at), np.logaddexp(0, at)
    assert own.uniform_loss() == pytest.approx((own.beta * labels + 4 * others) / 5, rel=1e-5)


def test_its_negatives_are_its_own(train: Train, tmp_path: Path) -> None:
    settings = {"epochs": 2, "validate_every": 2}
    one = train("gsasrec", tmp_path / "1", **settings)
    assert np.array_equal(
        train("gsasrec", tmp_path / "2", **settings, negatives=3).catalogue_scores([walk(0, 3)]),
        one.catalogue_scores([walk(0, 3)]),
    )
    fewer = train("gsasrec", tmp_path / "3", **settings, gsasrec={"negatives": 3})
    assert not np.array_equal(fewer.catalogue_scores([walk(0, 3)]), one.catalogue_scores([walk(0, 3)]))
