"""Candidate sets: true item once, the rest never seen, the same for whoever asks (trap 5 of the published code)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import DataConfig
from engine.data import Dataset, candidate_sets, split_dataset
from engine.data.load import load_dataset
from engine.errors import StudioError
from engine.monitor import Monitor

MakeDataset = Callable[..., Dataset]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(DataConfig(dataset="synthetic"), 0, Monitor())


@given(
    st.integers(0, 10_000),
    st.integers(2, 30),
    st.sampled_from(["uniform", "popularity"]),
    st.sampled_from(["leave-one-out", "temporal"]),
)
def test_negatives_are_distinct_and_unseen_and_the_target_is_there_once(
    dataset: Dataset, seed: int, size: int, negatives: str, split: str
) -> None:
    config = DataConfig(candidates=size, negatives=negatives, split=split)
    examples = split_dataset(dataset, config).test.take(range(10))
    sets = candidate_sets(dataset, examples, config, seed, "test")
    assert sets.shape == (10, size)
    assert sets.dtype == np.int64
    for user, target, row in zip(examples.users, examples.targets, sets, strict=True):
        assert len(set(row.tolist())) == size
        assert row.tolist().count(target) == 1
        assert not (set(row.tolist()) - {target}) & set(dataset.sequences[user].tolist())


def test_a_sample_of_users_in_any_order_gets_the_same_sets(dataset: Dataset) -> None:
    config = DataConfig(candidates=10)
    test = split_dataset(dataset, config).test
    every = candidate_sets(dataset, test, config, 3, "test")
    some = [77, 4, 30]
    assert np.array_equal(candidate_sets(dataset, test.take(some), config, 3, "test"), every[some])


def test_seed_and_purpose_name_the_draw(dataset: Dataset) -> None:
    config = DataConfig(candidates=10)
    test = split_dataset(dataset, config).test
    first = candidate_sets(dataset, test, config, 3, "test")
    assert np.array_equal(first, candidate_sets(dataset, test, config, 3, "test"))
    assert not np.array_equal(first, candidate_sets(dataset, test, config, 4, "test"))
    assert not np.array_equal(first, candidate_sets(dataset, test, config, 3, "validation"))


def test_the_place_of_the_target_tells_nothing(dataset: Dataset) -> None:
    for negatives in ("uniform", "popularity"):
        config = DataConfig(candidates=5, negatives=negatives)
        test = split_dataset(dataset, config).test
        places = np.concatenate(
            [
                np.argmax(candidate_sets(dataset, test, config, seed, "test") == test.targets[:, None], axis=1)
                for seed in range(10)
            ]
        )  # 1200 draws over 5 places: 240 each, standard deviation 14
        assert np.all(np.abs(np.bincount(places, minlength=5) - 240) < 70)


def test_every_unseen_item_is_drawn_as_often_as_any_other(make_dataset: MakeDataset) -> None:
    dataset = make_dataset([[0, 1, 2]], items=9)
    config = DataConfig(candidates=3)
    test = split_dataset(dataset, config).test
    drawn = np.concatenate([candidate_sets(dataset, test, config, seed, "test")[0] for seed in range(1200)])
    counts = np.bincount(drawn, minlength=9)
    assert counts[:2].tolist() == [0, 0]
    assert counts[2] == 1200
    assert np.all(np.abs(counts[3:] - 400) < 100)  # 2 of 6 per draw; standard deviation 16


def test_popular_negatives_follow_training_interactions_only(make_dataset: MakeDataset) -> None:
    # Training interactions: items 3 and 4 have 1 and 3; 5 and 6 occur as validation and test targets alone.
    sequences = [[3, 4, 0, 5, 6], [4, 1, 5, 6], [4, 2, 5, 6], [7, 8, 9]]
    dataset = make_dataset(sequences, items=12)
    config = DataConfig(candidates=2, negatives="popularity")
    asked = split_dataset(dataset, config).test.take([3])
    drawn = np.array([candidate_sets(dataset, asked, config, seed, "test")[0] for seed in range(1000)])
    counts = np.bincount(drawn[drawn != 9], minlength=12)
    assert counts[[5, 6, 10, 11]].tolist() == [0, 0, 0, 0]
    # weights: items 0, 1, 2, 3 once each, item 4 three times
    assert abs(counts[4] - 1000 * 3 / 7) < 80
    assert np.all(np.abs(counts[:4] - 1000 / 7) < 60)


def test_no_set_holds_two_items_that_read_alike(make_dataset: MakeDataset) -> None:
    titles = ["Seen", "Target", "Twin", "TWIN", "Seen", "Target", "Other", "Another", "Third"]
    dataset = make_dataset([[0, 8, 1]], titles=titles)
    config = DataConfig(candidates=4)
    test = split_dataset(dataset, config).test
    for seed in range(50):
        row = candidate_sets(dataset, test, config, seed, "test")[0].tolist()
        assert {1, 6, 7} < set(row)
        assert len({2, 3} & set(row)) == 1


def test_more_candidates_than_items_is_refused(make_dataset: MakeDataset) -> None:
    dataset = make_dataset([[0, 1, 2]], items=9)
    config = DataConfig(candidates=10)
    with pytest.raises(StudioError, match=r"catalogue holds 9 items.*at most 9"):
        candidate_sets(dataset, split_dataset(dataset, config).test, config, 0, "test")


def test_more_candidates_than_a_user_has_not_seen_is_refused(make_dataset: MakeDataset) -> None:
    dataset = make_dataset([[0, 1, 2], [0, 1, 2, 3, 4, 5]], items=9)
    config = DataConfig(candidates=5)
    with pytest.raises(StudioError, match=r"'u1' has only 3 unseen.*at most 4"):
        candidate_sets(dataset, split_dataset(dataset, config).test, config, 0, "test")


def test_a_user_who_has_seen_everything_is_named(make_dataset: MakeDataset) -> None:
    dataset, config = make_dataset([[0, 1, 2, 3]], items=4), DataConfig(candidates=2)
    with pytest.raises(StudioError, match="has only 0 unseen items for 2 candidates"):
        candidate_sets(dataset, split_dataset(dataset, config).test, config, 0, "test")
