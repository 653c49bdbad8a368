"""No question's answer is ever trained on (traps 2 and 7 of the published code)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import DataConfig
from engine.data import Dataset, Examples, split_dataset
from engine.errors import StudioError

LEAVE_ONE_OUT = DataConfig(split="leave-one-out")
TEMPORAL = DataConfig(split="temporal")


def rows(examples: Examples) -> list[tuple[int, list[int], int]]:
    return [
        (int(user), history.tolist(), int(target))
        for user, history, target in zip(examples.users, examples.histories, examples.targets, strict=True)
    ]


def test_leave_one_out_tests_the_last_and_validates_on_the_one_before(make_dataset: Callable[..., Dataset]) -> None:
    split = split_dataset(make_dataset([[4, 2, 7, 1], [3, 0, 5]]), LEAVE_ONE_OUT)
    assert [items.tolist() for items in split.train] == [[4, 2], [3]]
    assert rows(split.validation) == [(0, [4, 2], 7), (1, [3], 0)]
    assert rows(split.test) == [(0, [4, 2, 7], 1), (1, [3, 0], 5)]
    assert split.n_items == 12
    assert split.popularity().tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]


def test_leave_one_out_needs_three_interactions(make_dataset: Callable[..., Dataset]) -> None:
    with pytest.raises(StudioError, match=r"u1.*fewer than 3"):
        split_dataset(make_dataset([[1, 2, 3], [1, 2]]), LEAVE_ONE_OUT)


def test_temporal_cuts_at_eighty_and_ninety_percent_of_all_interactions(make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset(
        [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9], [10, 11]],
        timestamps=[[0, 1, 2, 3, 10, 10], [4, 5, 6, 10], [10, 11]],
        items=12,
    )
    # 12 interactions: the cuts are the moments at positions 9 and 10, both 10, so nothing lies between them.
    with pytest.raises(StudioError, match="no validation users"):
        split_dataset(dataset, TEMPORAL)
    spread = make_dataset([[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]], timestamps=[[0, 1, 2, 3, 8, 9], [4, 5, 6, 7]], items=12)
    split = split_dataset(spread, TEMPORAL)
    assert [items.tolist() for items in split.train] == [[0, 1, 2, 3], [6, 7, 8, 9]]
    assert rows(split.validation) == [(0, [0, 1, 2, 3], 4)]
    assert rows(split.test) == [(0, [0, 1, 2, 3, 4], 5)]


def test_temporal_is_refused_where_a_cut_would_part_users_from_each_other(
    make_dataset: Callable[..., Dataset],
) -> None:
    """As rows without times that lie user by user: one user would be asked, or none."""
    sequences = [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6]]
    blocks = [list(range(6 * user, 6 * user + 6)) for user in (1, 0, 2)]
    with pytest.raises(StudioError, match=r"no two users .* at the same time.*order of time, not user by user"):
        split_dataset(make_dataset(sequences, timestamps=blocks), TEMPORAL)
    blocks[0][-1] = blocks[2][0]  # two that meet are enough
    assert len(split_dataset(make_dataset(sequences, timestamps=blocks), TEMPORAL).test) == 1


def test_temporal_asks_for_the_first_of_several_and_not_without_a_history(
    make_dataset: Callable[..., Dataset],
) -> None:
    dataset = make_dataset(
        [list(range(12)), [3, 4], [4, 5, 6, 7, 8, 9, 10, 11]],
        timestamps=[[*range(9), 16, 18, 19], [18, 19], [9, 10, 11, 12, 13, 14, 15, 16]],
        items=12,
    )
    split = split_dataset(dataset, TEMPORAL)  # 22 interactions, cuts at 16 and 18
    assert rows(split.validation) == [(0, list(range(9)), 9), (2, list(range(4, 11)), 11)]
    assert rows(split.test) == [(0, list(range(10)), 10)]
    assert split.train[1].tolist() == []


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    users = draw(st.integers(2, 6))
    sequences = [draw(st.permutations(range(12)))[: draw(st.integers(3, 12))] for _ in range(users)]
    times = [sorted(draw(st.lists(st.integers(0, 30), min_size=len(s), max_size=len(s)))) for s in sequences]
    return sequences, times


@given(logs(), st.sampled_from([LEAVE_ONE_OUT, TEMPORAL]))
def test_targets_are_never_training_interactions_of_their_user(
    make_dataset: Callable[..., Dataset], log: tuple[list[list[int]], list[list[int]]], config: DataConfig
) -> None:
    dataset = make_dataset(log[0], timestamps=log[1])
    try:
        split = split_dataset(dataset, config)
    except StudioError:
        assert config.split == "temporal"  # a log so short that a period has nobody to ask
        return
    for examples in (split.validation, split.test):
        assert len(set(examples.users.tolist())) == len(examples)
        for user, history, target in rows(examples):
            assert target not in split.train[user]
            assert target not in history
            assert history == dataset.sequences[user][: len(history)].tolist()
            assert dataset.sequences[user][len(history)] == target
    validated = dict(zip(split.validation.users.tolist(), split.validation.targets.tolist(), strict=True))
    assert all(validated.get(user) != target for user, _, target in rows(split.test))


@given(logs())
def test_temporal_training_is_older_than_every_question(
    make_dataset: Callable[..., Dataset], log: tuple[list[list[int]], list[list[int]]]
) -> None:
    dataset = make_dataset(log[0], timestamps=log[1])
    try:
        split = split_dataset(dataset, TEMPORAL)
    except StudioError:
        return
    trained = [t for items, times in zip(split.train, dataset.timestamps, strict=True) for t in times[: len(items)]]
    asked = [
        min(
            dataset.timestamps[user][len(history)]
            for user, history in zip(examples.users, examples.histories, strict=True)
        )
        for examples in (split.validation, split.test)
    ]
    assert max(trained, default=-1) < asked[0]
    assert asked[0] < asked[1]


def test_take_picks_examples_in_the_order_given(make_dataset: Callable[..., Dataset]) -> None:
    test = split_dataset(make_dataset([[0, 1, 2], [3, 4, 5], [6, 7, 8]]), LEAVE_ONE_OUT).test
    assert rows(test.take([2, 0])) == [(2, [6, 7], 8), (0, [0, 1], 2)]
    assert rows(test.take(np.array([], np.int64))) == []
