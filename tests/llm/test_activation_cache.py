"""Read again, a row comes from the cache as it was computed; changed, it is computed."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.llm import activation_cache
from engine.llm.activation_cache import ActivationCache, ActivationFile, ActivationStore, LatestActivations
from engine.llm.attention import Span

ROW = torch.randn(6, 4)
PLACES = torch.arange(6)
TRUNK = Span(0, 2)
ROW_BYTES = 6 * 4 * 4
SPANS = (TRUNK, Span(2, 4, (TRUNK,)), Span(4, 6, (TRUNK,)))


class Lower:
    """Stands for the blocks: counts how often they are asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Tensor:
        self.asked += 1
        return torch.full((6, 4), float(self.asked))


@pytest.mark.parametrize("store", [ActivationFile, LatestActivations])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_row_is_computed_once(store: Callable[[], ActivationStore], dtype: torch.dtype) -> None:
    cache, rows = ActivationCache(2, store()), [number * ROW for number in range(1, 4)]
    made = [torch.randn(6, 4, dtype=dtype) for _ in rows]
    asked: list[int] = []

    def compute(number: int) -> Tensor:
        asked.append(number)
        return made[number]

    for number in (0, 1, 2, 1, 0, 2):
        found = cache.get(rows[number], PLACES, SPANS, lambda number=number: compute(number))  # type: ignore[misc]
        assert (found.dtype, found.device) == (dtype, made[number].device)
        assert torch.equal(found, made[number])
    assert asked == [0, 1, 2]


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
    cache, lower = ActivationCache(2, ActivationFile()), Lower()
    cache.get(ROW, PLACES, SPANS, lower)
    cache.get(*changed(), lower)
    assert lower.asked == 2


def test_without_room_all_is_computed_again(tmp_path: Path) -> None:
    cache, lower = ActivationCache(2, ActivationFile(tmp_path, ROW_BYTES)), Lower()
    for row in (ROW, 2 * ROW, ROW, 2 * ROW):
        cache.get(row, PLACES, SPANS, lower)
    assert lower.asked == 3, "the first row fills it, the second is computed each time"


@pytest.mark.parametrize("room", [None, 0, ROW_BYTES // 2])
def test_a_disk_that_fills_up_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, room: int | None
) -> None:
    """As it is known beforehand, or told in writing, with room for nothing or for a part."""
    store = ActivationFile(tmp_path)
    cache, lower = ActivationCache(2, store), Lower()
    first = cache.get(ROW, PLACES, SPANS, lower)
    if room is None:
        usage = shutil.disk_usage(tmp_path)._replace(free=activation_cache.FREE_BYTES)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    else:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROW_BYTES + room, most))
    for _ in range(2):
        cache.get(2 * ROW, PLACES, SPANS, lower)
    assert lower.asked == 3, "nothing is added any more"
    assert torch.equal(cache.get(ROW, PLACES, SPANS, lower), first), "what is there stays"


def test_the_file_is_gone_with_what_used_it(tmp_path: Path) -> None:
    store = ActivationFile(tmp_path / "new")
    store.add(b"key", torch.ones(6, 4))
    file = store._file
    del store
    assert file.closed
    assert list((tmp_path / "new").iterdir()) == []


def test_the_latest_rows_drive_out_the_oldest() -> None:
    store = LatestActivations(2 * ROW_BYTES)
    cache, lower = ActivationCache(2, store), Lower()
    for row in (ROW, 2 * ROW, 2 * ROW, 3 * ROW, 2 * ROW, 3 * ROW):
        cache.get(row, PLACES, SPANS, lower)
    assert lower.asked == 3
    cache.get(ROW, PLACES, SPANS, lower)
    assert lower.asked == 4, "the first row was driven out"
    assert store.bytes == 2 * ROW_BYTES


def test_a_row_that_is_larger_than_the_room_is_computed_and_not_kept() -> None:
    store = LatestActivations(ROW_BYTES - 1)
    cache, lower = ActivationCache(2, store), Lower()
    for _ in range(2):
        cache.get(ROW, PLACES, SPANS, lower)
    assert (lower.asked, store.bytes) == (2, 0)


def test_rows_that_are_learned_from_once_leave_the_room_to_others() -> None:
    store = ActivationFile()
    cache, lower = ActivationCache(2, store, learned=False), Lower()
    for _ in range(2):
        cache.get(ROW, PLACES, SPANS, lower)
    assert (lower.asked, store.bytes) == (2, 0)
    with torch.no_grad():
        for _ in range(2):
            cache.get(ROW, PLACES, SPANS, lower)
    assert lower.asked == 3


def test_what_ranking_remembered_can_be_trained_on() -> None:
    cache = ActivationCache(2, ActivationFile())
    with torch.inference_mode():
        cache.get(ROW, PLACES, SPANS, lambda: torch.ones(6, 4))
    weight = torch.ones(4, requires_grad=True)
    (cache.get(ROW, PLACES, SPANS, Lower()) @ weight).sum().backward()
    assert weight.grad is not None
