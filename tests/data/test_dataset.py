"""The tie rule: by timestamp, then by position in the file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import DataConfig
from engine.data import Catalogue, Dataset, load_dataset
from engine.data.cleaning import clean_rows
from engine.data.dataset import Interactions, assemble
from engine.data.raw import Raw
from engine.errors import StudioError
from engine.monitor import Monitor

CATALOGUE = Catalogue(tuple("ABCDEFGH"), (None,) * 8, ((),) * 8, tuple("01234567"))


class Log(Monitor):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def build(rows: list[tuple[str, int, int]], least: int = 1, monitor: Monitor | None = None) -> Dataset:
    users, items, moments = zip(*rows, strict=True) if rows else ((), (), ())
    log = Interactions(users, np.array(items, np.int64), np.array(moments, np.int64))
    raw = Raw.of(CATALOGUE, log, "a test")
    config = DataConfig().model_copy(update={"min_interactions": least, "unused_items": True})
    catalogue, kept, record = clean_rows(raw, config, 1, monitor or Monitor())
    return assemble("tiny", catalogue, raw.log.user_ids, kept, source="a test", cleaning=record)


def test_ties_keep_the_order_of_the_file() -> None:
    dataset = build([("u", 5, 10), ("v", 1, 7), ("u", 3, 10), ("u", 4, 2), ("u", 0, 10), ("v", 0, 7)])
    assert dataset.user_ids == ("u", "v")
    assert [items.tolist() for items in dataset.sequences] == [[4, 5, 3, 0], [1, 0]]
    assert [times.tolist() for times in dataset.timestamps] == [[2, 10, 10, 10], [7, 7]]


def test_users_come_by_number_then_by_name() -> None:
    rows = [(user, 0, 0) for user in ("b", "10", "9", "a", "100")]
    assert build(rows).user_ids == ("9", "10", "100", "a", "b")


def test_an_item_met_again_counts_once_and_this_is_said() -> None:
    log = Log()
    dataset = build([("u", 1, 5), ("u", 2, 6), ("u", 1, 9), ("u", 1, 1)], monitor=log)
    assert dataset.sequences[0].tolist() == [1, 2]
    assert dataset.timestamps[0].tolist() == [1, 6]
    assert "dropped: 2 repeats" in log.lines[0]


def test_users_with_too_few_interactions_are_left_out_and_this_is_said() -> None:
    log = Log()
    dataset = build([("u", 1, 1), ("v", 1, 1), ("v", 2, 2)], least=2, monitor=log)
    assert dataset.user_ids == ("v",)
    assert "dropped: 1 of users or items with few (under 2 a user, 1 an item) [1 user]" in log.lines[0]


@pytest.mark.parametrize("rows", [[], [("u", 1, 1)]])
def test_nobody_left_is_an_error_with_a_remedy(rows: list[tuple[str, int, int]]) -> None:
    with pytest.raises(StudioError, match=r"data\.min_interactions|bring the file"):
        build(rows, least=2)


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 7), st.integers(-3, 3)), min_size=1, max_size=60))
def test_every_sequence_is_the_stable_sort_of_the_users_rows(rows: list[tuple[str, int, int]]) -> None:
    dataset = build(rows)
    for user, items, times in zip(dataset.user_ids, dataset.sequences, dataset.timestamps, strict=True):
        expected: dict[int, int] = {}
        for _, item, moment in sorted((row for row in rows if row[0] == user), key=lambda row: row[2]):
            expected.setdefault(item, moment)
        assert list(zip(items.tolist(), times.tolist(), strict=True)) == list(expected.items())


def test_what_is_loaded_has_the_types_that_models_expect() -> None:
    dataset = load_dataset(DataConfig(dataset="synthetic"), 0, Monitor())
    assert {part.dtype for part in (*dataset.sequences, *dataset.timestamps)} == {np.dtype(np.int64)}
