"""The cloze task: which items are masked, what is asked at the masks, and that all else may be looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from engine.seeds import generator
from engine.teachers.bert4rec import BERT4Rec
from engine.teachers.windows import Batch
from tests.teachers.conftest import N_ITEMS, TINY

LENGTHS = torch.tensor([7, 1, 4, 7])
REAL = torch.arange(7) < LENGTHS[:, None]


def network(**settings: object) -> BERT4Rec:
    torch.manual_seed(0)
    return BERT4Rec(N_ITEMS, TINY.model_copy(update={"bert4rec": TINY.bert4rec.model_copy(update=settings)})).eval()


def masks(rounds: int = 400, **settings: object) -> torch.Tensor:
    own, random = network(**settings), generator(1)
    return torch.stack([own.masks(REAL, random) for _ in range(rounds)])


def test_some_real_items_are_masked_in_every_sequence_and_never_padding() -> None:
    drawn = masks(mask_share=0.05, last_share=0.3)
    assert drawn.any(2).all()
    assert not drawn[:, ~REAL].any()


def test_as_many_are_masked_as_is_said() -> None:
    whole = masks(mask_share=0.5, last_share=0)[:, LENGTHS == 7].float()
    assert whole.mean() == pytest.approx(0.5, abs=0.02)
    assert whole.mean((0, 1)).tolist() == pytest.approx([0.5] * 7, abs=0.06)
    assert masks(mask_share=1, last_share=0).eq(REAL).all()


def test_the_last_alone_is_masked_as_often_as_is_said() -> None:
    last = torch.arange(7) == LENGTHS[:, None] - 1
    assert masks(last_share=1).eq(last).all()
    alone = masks(mask_share=0.9, last_share=0.25).eq(last).all(2)[:, LENGTHS == 7]
    assert alone.float().mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("maskings", [1, 3])
def test_the_loss_is_that_of_the_hidden_items_given_all_others(maskings: int) -> None:
    own = network(mask_share=0.4, maskings=maskings)
    labels = torch.randint(N_ITEMS, (4, 7), generator=torch.Generator().manual_seed(1)).where(REAL, N_ITEMS)
    batch = Batch(torch.zeros_like(labels), labels, REAL)  # the inputs are not what it reads
    summed, count = own.backward(batch, torch.arange(N_ITEMS), generator(2))
    masked = own.masks(REAL.repeat(maskings, 1), generator(2))
    again = labels.repeat(maskings, 1)
    expected = [
        cross_entropy(own.logits(own(shown.masked_fill(hidden, N_ITEMS)[None], real[None])[0][hidden]), shown[hidden],
                      reduction="sum")
        for shown, hidden, real in zip(again, masked, REAL.repeat(maskings, 1), strict=True)
    ]  # fmt: skip
    assert count == int(masked.sum())
    assert summed == pytest.approx(float(torch.stack(expected).detach().sum()), rel=1e-4)


@torch.inference_mode()
def test_a_mask_behind_the_history_has_one_place_however_long_it_is() -> None:
    own = network()
    assert own.question(torch.tensor([3, 4])).tolist() == [3, 4, N_ITEMS]
    assert own.question(torch.tensor([], dtype=torch.int64)).tolist() == [N_ITEMS]
    before = own(torch.tensor([[1, 2, N_ITEMS]]), torch.ones(1, 3, dtype=torch.bool))[0, -1]
    own.positions.weight[3:] += 1.0  # places farther from the end than these two items are
    after = own(torch.tensor([[1, 2, N_ITEMS]]), torch.ones(1, 3, dtype=torch.bool))[0, -1]
    torch.testing.assert_close(after, before)
    own.positions.weight[0] += torch.randn(TINY.width)
    moved = own(torch.tensor([[1, 2, N_ITEMS], [N_ITEMS, 0, 0]]), torch.tensor([[True] * 3, [True, False, False]]))
    assert not torch.allclose(moved[0, -1], before, atol=1e-3)
    assert np.isfinite(moved.numpy()).all()
