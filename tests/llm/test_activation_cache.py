"""Read again, a row comes from the cache as it was computed; changed, it is computed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.llm.activation_cache import ActivationCache
from engine.llm.attention import Span

ROW = torch.randn(6, 4)
PLACES = torch.arange(6)
TRUNK = Span(0, 2)
SPANS = (TRUNK, Span(2, 4, (TRUNK,)), Span(4, 6, (TRUNK,)))


class Lower:
    """Stands for the blocks: counts how often they are asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Tensor:
        self.asked += 1
        return torch.full((6, 4), float(self.asked))


def test_the_same_row_is_computed_once() -> None:
    cache, lower = ActivationCache(2), Lower()
    first, second = (cache.get(ROW, PLACES, SPANS, lower) for _ in range(2))
    assert lower.asked == 1
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "changed",
    [
        lambda: (ROW * 1.001, PLACES, SPANS),
        lambda: (ROW.bfloat16(), PLACES, SPANS),
        lambda: (ROW, PLACES + 1, SPANS),
        lambda: (ROW, PLACES, (TRUNK, Span(2, 6, (TRUNK,)))),
        lambda: (ROW, PLACES, (TRUNK, Span(2, 4, (TRUNK,)), Span(4, 6))),
        lambda: (ROW, PLACES, (*SPANS[:2], Span(4, 6, (TRUNK,), torch.eye(2, dtype=torch.bool)))),
    ],
    ids=["inputs", "number format", "positions", "spans", "what a span looks at", "whom tokens see"],
)
def test_another_row_is_computed(changed: Callable[[], tuple[Tensor, Tensor, tuple[Span, ...]]]) -> None:
    cache, lower = ActivationCache(2), Lower()
    cache.get(ROW, PLACES, SPANS, lower)
    cache.get(*changed(), lower)
    assert lower.asked == 2


def test_without_room_all_is_computed_again() -> None:
    cache, lower = ActivationCache(2, most_bytes=6 * 4 * 4), Lower()
    for row in (ROW, 2 * ROW, ROW, 2 * ROW):
        cache.get(row, PLACES, SPANS, lower)
    assert lower.asked == 3, "the first row fills it, the second is computed each time"


def test_the_latest_rows_drive_out_the_oldest() -> None:
    cache, lower = ActivationCache(2, latest=True, most_bytes=2 * 6 * 4 * 4), Lower()
    for row in (ROW, 2 * ROW, 2 * ROW, 3 * ROW, 2 * ROW, 3 * ROW):
        cache.get(row, PLACES, SPANS, lower)
    assert lower.asked == 3
    cache.get(ROW, PLACES, SPANS, lower)
    assert lower.asked == 4, "the first row was driven out"
    assert cache.bytes == 2 * 6 * 4 * 4


def test_a_row_that_is_larger_than_the_room_is_computed_and_not_kept() -> None:
    cache, lower = ActivationCache(2, latest=True, most_bytes=6 * 4 * 4 - 1), Lower()
    for _ in range(2):
        cache.get(ROW, PLACES, SPANS, lower)
    assert (lower.asked, cache.bytes) == (2, 0)


def test_rows_that_are_learned_from_once_leave_the_room_to_others() -> None:
    cache, lower = ActivationCache(2, learned=False), Lower()
    for _ in range(2):
        cache.get(ROW, PLACES, SPANS, lower)
    assert (lower.asked, cache.bytes) == (2, 0)
    with torch.no_grad():
        for _ in range(2):
            cache.get(ROW, PLACES, SPANS, lower)
    assert lower.asked == 3


def test_what_ranking_remembered_can_be_trained_on() -> None:
    cache = ActivationCache(2)
    with torch.inference_mode():
        cache.get(ROW, PLACES, SPANS, lambda: torch.ones(6, 4))
    weight = torch.ones(4, requires_grad=True)
    (cache.get(ROW, PLACES, SPANS, Lower()) @ weight).sum().backward()
    assert weight.grad is not None
