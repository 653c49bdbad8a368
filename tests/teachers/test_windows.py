"""How training sequences are cut: every interaction is a label once in an epoch, behind what came before it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.seeds import generator
from engine.teachers.windows import Batch, Windows

START = 1000
LENGTHS = [3, 0, 1, 17, 8, 5]
TRAIN = [np.arange(100 * user, 100 * user + length, dtype=np.int64) for user, length in enumerate(LENGTHS)]
"""Item ``100 * user + place``: a label tells whose it is and when it came."""


def epoch(random: np.random.Generator, size: int = 5, batch: int = 2) -> list[Batch]:
    return list(Windows(TRAIN, size, START).batches(batch, random))


def labels(batches: list[Batch]) -> list[int]:
    return [item for batch in batches for item in batch.labels[batch.real].tolist()]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_every_interaction_is_a_label_once_in_an_epoch(size: int) -> None:
    assert sorted(labels(epoch(generator(0), size))) == sorted(np.concatenate(TRAIN).tolist())


def test_inputs_are_the_items_right_before_the_labels() -> None:
    for batch in epoch(generator(0)):
        for inputs, wanted, real in zip(batch.inputs, batch.labels, batch.real, strict=True):
            assert inputs[0] == START
            own = wanted[real].tolist()
            assert own == list(range(own[0], own[0] + len(own)))  # neighbours of one user, in order
            assert inputs[: len(own)].tolist()[1:] == own[:-1]
            assert real.tolist() == sorted(real.tolist(), reverse=True)  # padding stands on the right


def test_an_epoch_depends_on_its_random_stream_alone() -> None:
    windows = Windows(TRAIN, 5, START)
    first, other, again = (list(windows.batches(2, generator(0, "epoch", number))) for number in (3, 4, 3))
    assert labels(first) == labels(again) != labels(other)


def test_cuts_move_so_that_labels_meet_different_contexts() -> None:
    windows, contexts = Windows(TRAIN, 5, START), Counter[int]()
    for number in range(60):
        for batch in windows.batches(2, generator(number)):
            contexts.update((batch.labels == 310).nonzero()[:, 1].tolist())
    assert set(contexts) == set(range(5))


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_batches_hold_about_as_many_labels_as_asked(size: int, batch: int, seed: int) -> None:
    counts = [int(part.real.sum()) for part in epoch(generator(seed), size, batch)]
    assert max(counts) < size * batch + size
