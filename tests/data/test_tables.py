"""One's own CSV files: what is read, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config import DataConfig
from engine.data import load_dataset
from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.naming import clean
from engine.data.tables import read_tables, write_tables
from engine.errors import StudioError
from engine.monitor import Monitor

ITEMS = 'item,title,year,genres\na,Heat,1995,Crime|Drama\nb,"Good, the Bad",,\nc,Up,2009,\n'
LOG = "user,item,timestamp\nu,a,3\nu,b,1\nv,c,2\nu,c,2\n"


def write(folder: Path, items: str | bytes = ITEMS, log: str | bytes = LOG) -> Path:
    for name, content in (("items.csv", items), ("interactions.csv", log)):
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_columns_become_a_data_set(tmp_path: Path) -> None:
    config = DataConfig(dataset="csv", path=str(write(tmp_path)), min_interactions=3)
    dataset = load_dataset(config, 0, Monitor())
    assert [dataset.catalogue.display(item) for item in range(3)] == ["Heat (1995)", "Good, the Bad", "Up (2009)"]
    assert dataset.catalogue.genres == (("Crime", "Drama"), (), ())
    assert dataset.catalogue.raw_ids == ("a", "b", "c")
    assert (dataset.user_ids, dataset.sequences[0].tolist()) == (("u",), [1, 2, 0])
    assert str(tmp_path) in dataset.source


def test_order_of_columns_letter_case_bom_and_extra_columns_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "\ufeffTitle,Rating,ITEM\r\nHeat (1995),x,a\r\n\r\n", "timestamp,stars,item,user\r\n7,5,a,u\r\n")
    catalogue, log = read_tables(tmp_path)
    assert catalogue.display(0) == "Heat (1995)"
    assert (catalogue.titles, catalogue.years) == (("Heat",), (1995,))
    assert (list(log.users), log.items.tolist(), log.timestamps.tolist()) == (["u"], [0], [7])


def test_dates_and_whole_numbers_are_timestamps(tmp_path: Path) -> None:
    write(tmp_path, log="user,item,timestamp\nu,a,1970-01-02\nu,b,1970-01-01T00:01:00\nu,c,1970-01-01T01:00:00+01:00\n")
    assert read_tables(tmp_path)[1].timestamps.tolist() == [86_400, 60, 0]


@pytest.mark.parametrize(
    ("items", "log", "told"),
    [
        (ITEMS, "user,item,timestamp\nu,a,3\nu,zz,4\n", ["item 'zz' is not in items.csv", "line 3, column item"]),
        (ITEMS, "user,item,timestamp\nu,a,yesterday\n", ["'yesterday' is not a timestamp", "line 2, column timestamp"]),
        (ITEMS, "user,item,timestamp\nu,a,1.5\n", ["'1.5' is not a timestamp", "line 2"]),
        (ITEMS, f"user,item,timestamp\nu,a,{10**30}\n", ["too large", "line 2, column timestamp"]),
        (ITEMS, "user,item,timestamp\n,a,3\n", ["empty cell", "line 2, column user"]),
        (ITEMS, "user,item,when\nu,a,3\n", ["no column timestamp", "interactions.csv, line 1"]),
        (ITEMS, "user,item,timestamp\nu,a\n", ["2 cells instead of 3", "line 2"]),
        (ITEMS, "", ["no column user, item, timestamp"]),
        ("item,title\na,Heat\na,Up\n", LOG, ["item 'a' is listed twice", "items.csv, line 3, column item"]),
        ("item,title\na,\n", LOG, ["empty cell", "line 2, column title"]),
        ("item,title\na,Good, Bad\n", LOG, ["3 cells instead of 2", "line 2", "double quotes"]),
        ("item,title\n", LOG, ["no items"]),
        ("item,title,year\na,Heat,95x\n", LOG, ["'95x' is not a year", "line 2, column year"]),
        ('item,title\na,"Heat\n', LOG, ["not valid CSV"]),
        (f"item,title\na,{'x' * 501}\n", LOG, ["longer than 500 characters", "line 2, column title"]),
        (f"item,title\na,{'x' * 200_000}\n", LOG, ["not valid CSV", "field larger than field limit"]),
        ("item,title\na,Caf\xe9\n".encode("latin-1"), LOG, ["not UTF-8", "items.csv", "save the file as UTF-8"]),
    ],
)
def test_each_mistake_is_one_line_with_its_place(tmp_path: Path, items: str | bytes, log: str, told: list[str]) -> None:
    with pytest.raises(StudioError) as failure:
        read_tables(write(tmp_path, items, log))
    message = str(failure.value)
    assert "\n" not in message
    assert all(part in message for part in told), message


def test_missing_files_and_a_missing_path_are_said(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"items\.csv is missing"):
        read_tables(tmp_path)
    write(tmp_path)
    (tmp_path / "interactions.csv").unlink()
    with pytest.raises(StudioError, match=r"interactions\.csv is missing"):
        read_tables(tmp_path)
    with pytest.raises(StudioError, match=r"set data\.path"):
        load_dataset(DataConfig(dataset="csv"), 0, Monitor())


def test_control_characters_do_not_reach_titles(tmp_path: Path) -> None:
    write(tmp_path, 'item,title\na,"Heat\x1b[31m\nagain\u202e"\n', "user,item,timestamp\nu,a,1\n")
    assert read_tables(tmp_path)[0].titles == ("Heat [31m again",)


names = st.text(min_size=1, max_size=30).map(clean).filter(lambda text: text and "|" not in text)


@given(
    st.lists(st.tuples(names, st.none() | st.integers(1, 9999), st.lists(names, max_size=2)), min_size=1, max_size=6),
    st.lists(st.tuples(names, st.integers(-(2**63), 2**63 - 1)), max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(
    tmp_path: Path, items: list[tuple[str, int | None, list[str]]], log: list[tuple[str, int]]
) -> None:
    catalogue = Catalogue(
        titles=tuple(title for title, _, _ in items),
        years=tuple(year for _, year, _ in items),
        genres=tuple(tuple(kinds) for _, _, kinds in items),
        raw_ids=tuple(f"i{position}" for position in range(len(items))),
        aliases=tuple(tuple(reversed(kinds)) for _, _, kinds in items),
    )
    written = Interactions(
        [user for user, _ in log],
        np.array([position % len(items) for position in range(len(log))], np.int64),
        np.array([moment for _, moment in log], np.int64),
    )
    write_tables(tmp_path, catalogue, written)
    read, rows = read_tables(tmp_path)
    assert read == catalogue
    assert list(rows.users) == list(written.users)
    assert rows.items.tolist() == written.items.tolist()
    assert rows.timestamps.tolist() == written.timestamps.tolist()
