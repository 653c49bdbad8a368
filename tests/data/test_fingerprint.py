"""Data are known again however their rows are ordered; what became of them is said; what was there is found again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import csv_world
import numpy as np
import pytest
from csv_world import Rows, write

from engine.config import DataConfig
from engine.data import Dataset, load_dataset
from engine.data.fingerprint import Fingerprint
from engine.errors import StudioError
from engine.monitor import Monitor

ITEMS, LOG = csv_world.items(), csv_world.interactions()
CONFIG, BY_TIME = DataConfig(), DataConfig(split="temporal")
Change = Callable[[Rows, Rows], object]


def loaded(folder: Path, change: Change = lambda items, log: None) -> Dataset:
    catalogue, log = [list(row) for row in ITEMS], [list(row) for row in LOG]
    change(catalogue, log)
    config = DataConfig(dataset="csv", path=str(write(folder, catalogue, log)))
    return load_dataset(config, 0, Monitor())


def facts(dataset: Dataset) -> object:
    return (
        dataset.catalogue,
        [(s.tolist(), t.tolist()) for s, t in zip(dataset.sequences, dataset.timestamps, strict=True)],
        dataset.user_ids,
    )


def shuffled(items: Rows, log: Rows) -> None:
    random = np.random.default_rng(0)
    random.shuffle(items)
    random.shuffle(log)


def sorted_backwards(items: Rows, log: Rows) -> None:
    items.sort(reverse=True)
    log.sort(reverse=True)


@pytest.mark.parametrize("change", [shuffled, sorted_backwards])
def test_the_order_of_rows_changes_neither_data_nor_fingerprint(tmp_path: Path, change: Change) -> None:
    before, now = loaded(tmp_path / "a"), loaded(tmp_path / "b", change)
    assert facts(now) == facts(before)
    assert Fingerprint.of(now, BY_TIME).same(Fingerprint.of(before, BY_TIME))


def test_items_come_in_the_order_of_their_ids_numbers_by_value(tmp_path: Path) -> None:
    names = ["b", "10", "9", "a", "010", "2"]
    rows = [[name, f"Film {name}", ""] for name in names]
    log = [["u", name, str(place)] for place, name in enumerate(names)]
    dataset = load_dataset(DataConfig(dataset="csv", path=str(write(tmp_path, rows, log))), 0, Monitor())
    assert dataset.catalogue.raw_ids == ("2", "9", "010", "10", "a", "b")
    assert [dataset.catalogue.raw_ids[item] for item in dataset.sequences[0]] == names


def test_equal_times_go_by_the_rows_and_another_order_of_these_is_noticed(tmp_path: Path) -> None:
    def tie(items: Rows, log: Rows) -> None:
        log[1][2] = log[0][2]

    def tie_swapped(items: Rows, log: Rows) -> None:
        tie(items, log)
        log[0], log[1] = log[1], log[0]

    before, now = loaded(tmp_path / "a", tie), loaded(tmp_path / "b", tie_swapped)
    known = Fingerprint.of(before, CONFIG)
    assert not known.same(Fingerprint.of(now, CONFIG))
    assert known.differences(now, CONFIG) == "1 user with interactions in another order"
    assert known.part_of(now, CONFIG) is None


def unseen(items: Rows, log: Rows, user: str) -> str:
    return next(row[0] for row in items if row[0] not in {entry[1] for entry in log if entry[0] == user})


def swap_titles(items: Rows, log: Rows) -> None:
    items[0][1], items[1][1] = items[1][1], items[0][1]


def other_year(items: Rows, log: Rows) -> None:
    next(row for row in items if row[0] == "m3")[2] = "1901"


def other_item(items: Rows, log: Rows) -> None:
    log[0][1] = unseen(items, log, "u0")


def swapped_items(items: Rows, log: Rows) -> None:
    log[0][1], log[1][1] = log[1][1], log[0][1]


def other_id(items: Rows, log: Rows) -> None:
    for row in (*items, *(entry[1:] for entry in log)):
        row[0] = row[0] if row[0] != "m3" else "x"
    for entry in log:
        entry[1] = entry[1] if entry[1] != "m3" else "x"


def fewer_rows(items: Rows, log: Rows) -> None:
    del log[:2]


def added_and_changed(items: Rows, log: Rows) -> None:
    other_year(items, log)
    log += [["u0", name, "99999"] for name in ("m3", "m10")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swap_titles, "2 titles changed (e.g. item 'm"),
        (other_year, "1 title changed (item 'm3' is 'Amber Amber A (1901)' now)"),
        (other_item, "1 interaction added, 1 interaction removed"),
        (swapped_items, "1 user with interactions in another order"),
        (fewer_rows, "2 interactions removed"),
        (other_id, "1 item added, 1 item removed"),
        (added_and_changed, "1 title changed (item 'm3' is 'Amber Amber A (1901)' now), "),
    ],
)
def test_other_data_are_noticed_and_what_differs_is_said(tmp_path: Path, change: Change, said: str) -> None:
    known, now = Fingerprint.of(loaded(tmp_path / "a"), CONFIG), loaded(tmp_path / "b", change)
    assert not known.same(Fingerprint.of(now, CONFIG))
    assert said in known.differences(now, CONFIG)
    assert known.part_of(now, CONFIG) is None


def later_rows(items: Rows, log: Rows) -> None:
    log += [
        ["u0", unseen(items, log, "u0"), "88888"],
        ["new", "m3", "1"],
        *(["v", f"m{7 * i + 3}", str(i)] for i in range(6)),
    ]


def earlier_rows(items: Rows, log: Rows) -> None:
    """Among the old ones in time, and before them in the file."""
    log.insert(0, ["u3", unseen(items, log, "u3"), "1001"])


def new_items(items: Rows, log: Rows) -> None:
    items[:0] = [["a", "First Of All", "2020"], ["m4", "In Between", ""]]
    log += [["u1", "m4", "5"], ["u2", "a", "77777"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (later_rows, "7 interactions added"),
        (earlier_rows, "1 interaction added"),
        (new_items, "2 items added, 2 interactions added"),
        (lambda items, log: (later_rows(items, log), new_items(items, log), shuffled(items, log)), "2 items added, 9"),
    ],
)
@pytest.mark.parametrize("config", [CONFIG, BY_TIME])
def test_where_only_rows_were_added_the_data_are_found_among_them(
    tmp_path: Path, change: Change, said: str, config: DataConfig
) -> None:
    before, now = loaded(tmp_path / "a"), loaded(tmp_path / "b", change)
    known = Fingerprint.of(before, config)
    assert not known.same(Fingerprint.of(now, config))
    assert known.differences(now, config).startswith(said)
    part = known.part_of(now, config)
    assert part is not None
    assert facts(part) == facts(before)


def test_times_count_by_their_order_across_users_and_only_where_it_is_asked_for(tmp_path: Path) -> None:
    def in_other_units(items: Rows, log: Rows) -> None:
        for row in log:
            row[2] = str(int(row[2]) * 1000 + 7)

    def one_user_later(items: Rows, log: Rows) -> None:
        for row in log:
            row[2] = str(int(row[2]) + 10_000 * (row[0] == "u4"))

    first = loaded(tmp_path / "a")
    by_user, known = Fingerprint.of(first, CONFIG), Fingerprint.of(first, BY_TIME)
    assert known.same(Fingerprint.of(loaded(tmp_path / "b", in_other_units), BY_TIME))
    later = loaded(tmp_path / "c", one_user_later)
    assert by_user.same(Fingerprint.of(later, CONFIG))
    assert not known.same(Fingerprint.of(later, BY_TIME))
    assert "times" in known.differences(later, BY_TIME)
    assert known.part_of(later, BY_TIME) is None


@pytest.mark.parametrize(
    ("text", "columns"),
    [("title", ()), ("title+category", ("genres",)), ("title+brand", ("brands",))],
)
def test_of_an_items_texts_those_count_that_are_read(tmp_path: Path, text: str, columns: tuple[str, ...]) -> None:
    dataset, config = loaded(tmp_path), DataConfig.model_validate({"text": text})
    size = len(dataset.catalogue)
    changes = {"genres": (("Drama",),) * size, "brands": ("Acme",) * size, "aliases": (("Alias",),) * size}
    for name, values in changes.items():
        other = replace(dataset, catalogue=replace(dataset.catalogue, **{name: values}))
        assert Fingerprint.of(other, config).same(Fingerprint.of(dataset, config)) == (name not in columns)


def test_it_is_read_back_and_a_damaged_or_newer_one_is_refused(tmp_path: Path) -> None:
    dataset, path = loaded(tmp_path / "data"), tmp_path / "data.safetensors"
    written = Fingerprint.of(dataset, CONFIG)
    written.save(path)
    read = Fingerprint.load(path)
    assert read.same(written)
    assert read.differences(dataset, CONFIG) == ""
    assert all(np.array_equal(getattr(read, name), getattr(written, name)) for name in ("items", "users", "lengths"))
    assert path.stat().st_size < 3000
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StudioError, match="missing or damaged"):
        Fingerprint.load(path)
    replace(written, whole="").save(path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"format":"1"', b'"format":"9"'))
    with pytest.raises(StudioError, match="newer DELRec Studio"):
        Fingerprint.load(path)
