"""The generated data set has a pattern, and enough users to test."""

from __future__ import annotations

import numpy as np
import pytest

from engine.config import DataConfig
from engine.data import Dataset, load_dataset, split_dataset
from engine.monitor import Monitor


def load(seed: int) -> Dataset:
    return load_dataset(DataConfig(dataset="synthetic"), seed, Monitor())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_size_and_readable_distinct_titles(seed: int) -> None:
    dataset = load(seed)
    assert (dataset.n_users, len(dataset.catalogue)) == (120, 60)
    assert len({title.casefold() for title in dataset.catalogue.titles}) == 60
    assert all(1960 <= (year or 0) < 2020 for year in dataset.catalogue.years)
    assert len(split_dataset(dataset, DataConfig(split="leave-one-out")).test) == 120
    assert len(split_dataset(dataset, DataConfig(split="temporal")).test) >= 40


def test_one_seed_gives_one_data_set() -> None:
    assert load(5).catalogue == load(5).catalogue
    assert all(np.array_equal(a, b) for a, b in zip(load(5).sequences, load(5).sequences, strict=True))
    assert load(5).catalogue != load(6).catalogue


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_comes_next_depends_on_what_came_before(seed: int) -> None:
    split = split_dataset(load(seed), DataConfig())
    counts = np.zeros((60, 60))
    for items in split.train:
        np.add.at(counts, (items[:-1], items[1:]), 1)
    last = [history[-1] for history in split.test.histories]
    markov = np.mean(counts[last].argmax(1) == split.test.targets)
    popular = np.mean(split.popularity().argmax() == split.test.targets)
    assert markov > 0.3
    assert markov > popular + 0.15
