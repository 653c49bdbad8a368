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
    catalogue, log = read_tables(tmp_path, Monitor())
    assert catalogue.display(0) == "Heat (1995)"
    assert (catalogue.titles, catalogue.years) == (("Heat",), (1995,))
    assert (list(log.users), log.items.tolist(), log.timestamps.tolist()) == (["u"], [0], [7])


def test_dates_and_whole_numbers_are_timestamps(tmp_path: Path) -> None:
    write(tmp_path, log="user,item,timestamp\nu,a,1970-01-02\nu,b,1970-01-01T00:01:00\nu,c,1970-01-01T01:00:00+01:00\n")
    assert read_tables(tmp_path, Monitor())[1].timestamps.tolist() == [86_400, 60, 0]


@pytest.mark.parametrize(
    ("items", "log", "told"),
    [
        (ITEMS, "user,item,timestamp\nu,a,3\nu,zz,4\n", ["item 'zz' is not in items.csv", "line 3, column item"]),
        (ITEMS, "user,item,timestamp\nu,a,yesterday\n", ["'yesterday' is not a timestamp", "line 2, column timestamp"]),
        (ITEMS, "user,item,timestamp\nu,a,1.5.2\n", ["'1.5.2' is not a timestamp", "line 2"]),
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
        ("item,title,year\na,Heat,1995.5\n", LOG, ["'1995.5' is not a year", "line 2, column year"]),
        ("item,title\na,\u200b \u3164\ufeff\n", LOG, ["empty cell", "line 2, column title"]),
        (f"item,title\n{'x' * 501},Heat\n", LOG, ["longer than 500 characters", "line 2, column item"]),
        (b"item,title\na,Heat\nb,Up\nc,Caf\xe9\n", LOG, ["not UTF-8", "items.csv, line 4", "save the file as UTF-8"]),
    ],
)
def test_each_mistake_is_one_line_with_its_place(tmp_path: Path, items: str | bytes, log: str, told: list[str]) -> None:
    with pytest.raises(StudioError) as failure:
        read_tables(write(tmp_path, items, log), Monitor())
    message = str(failure.value)
    assert "\n" not in message
    assert all(part in message for part in told), message


def test_missing_files_and_a_missing_path_are_said(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"items\.csv is missing"):
        read_tables(tmp_path, Monitor())
    write(tmp_path)
    (tmp_path / "interactions.csv").unlink()
    with pytest.raises(StudioError, match=r"interactions\.csv is missing"):
        read_tables(tmp_path, Monitor())
    with pytest.raises(StudioError, match=r"set data\.path"):
        load_dataset(DataConfig(dataset="csv"), 0, Monitor())


@pytest.mark.parametrize(
    ("written", "year", "shown"),
    [
        ("Heat (1995)", "1995", "Heat (1995)"),
        ("Heat (1995)", "", "Heat (1995)"),
        ("Heat (1995)", "1995.0", "Heat (1995)"),
        ("Heat (1995)", "1996", "Heat (1996)"),
        ("Heat (1995) (1995)", "1995", "Heat (1995)"),
        ("Wonder Woman (1984)", "2020", "Wonder Woman (1984) (2020)"),
        ("1984", "1984", "1984 (1984)"),
        ("(1999)", "1999", "(1999) (1999)"),
        ("Heat", "0", "Heat"),
        ("Heat", "00", "Heat"),
        ("Heat", "0.0", "Heat"),
        ("Heat", "-1", "Heat"),
        ("Heat", "nan", "Heat"),
        ("Heat", "NULL", "Heat"),
        ("Heat", "1995-12-15", "Heat (1995)"),
        ("Heat (1995)", "0", "Heat (1995)"),
    ],
)
def test_a_year_stands_once_whichever_column_holds_it(tmp_path: Path, written: str, year: str, shown: str) -> None:
    write(tmp_path, f"item,title,year\na,{written},{year}\n", "user,item,timestamp\nu,a,1\n")
    catalogue, log = read_tables(tmp_path, Monitor())
    assert catalogue.display(0) == shown
    write_tables(tmp_path, catalogue, log)
    assert read_tables(tmp_path, Monitor())[0] == catalogue


def test_long_titles_and_long_columns_that_nobody_reads_do_no_harm(tmp_path: Path) -> None:
    items = "item,title,description,genres\n" + "".join(
        f"{item},{'Long ' * 200}{item},{'x' * 200_000},{'|'.join(f'Genre {n}' for n in range(99))}\n" for item in "abc"
    )
    catalogue, _ = read_tables(write(tmp_path, items), Monitor())
    assert catalogue.titles == tuple(f"{'Long ' * 200}{item}" for item in "abc")
    assert len(catalogue.genres[0]) == 99


def test_users_that_differ_in_what_cannot_be_seen_are_kept_apart(tmp_path: Path) -> None:
    users = [
        "ab",
        "a\u200bb",
        "a\u00adb",
        "a\ufeffb",
        "a\u202eb",
        "a\u200db",
        "a\ufe0fb",
        "a\tb",
        "a b",
        "a  b",
        "a\u00a0b",
    ]
    users += ["ab ", " ab", "ab\u00a0", "\u00e9", "e\u0301", "a\u2060b", "ab\U000e0041"]
    write(tmp_path, "item,title\na,Heat\n", "user,item,timestamp\n" + "".join(f"{user},a,1\n" for user in users))
    found = list(read_tables(tmp_path, Monitor())[1].users)
    assert len(set(found)) == len(users)
    assert found[:2] == ["ab", "a<U+200B>b"]
    assert not any(set(user) & set("\t\u200b\u202e\ufeff") for user in found)  # nothing that could disturb a page


def test_blanks_around_ids_that_mean_nothing_are_dropped(tmp_path: Path) -> None:
    write(tmp_path, "item,title\n a ,Heat\n", "user, item, timestamp\nu , a, 7 \n")
    catalogue, log = read_tables(tmp_path, Monitor())
    assert (catalogue.raw_ids, list(log.users), log.timestamps.tolist()) == (("a",), ["u"], [7])


def test_a_column_may_name_the_unit_of_its_times(tmp_path: Path) -> None:
    write(tmp_path, log="user,item,timestamp_ms\nu,a,5\nu,b,1714600000\nu,c,1714600000500\n")
    log = read_tables(tmp_path, Monitor())[1]
    assert (log.timestamps.tolist(), log.unit) == ([5, 1_714_600_000, 1_714_600_000_500], "ms")


def test_control_characters_do_not_reach_titles(tmp_path: Path) -> None:
    write(tmp_path, 'item,title\na,"Heat\x1b[31m\nagain\u202e"\n', "user,item,timestamp\nu,a,1\n")
    assert read_tables(tmp_path, Monitor())[0].titles == ("Heat [31m again",)


names = st.text(min_size=1, max_size=30).map(clean).filter(lambda text: text and "|" not in text)


@given(
    st.lists(st.tuples(names, st.none() | st.integers(1, 9999), st.lists(names, max_size=2)), min_size=1, max_size=6),
    st.lists(st.tuples(names, st.integers(1 - 2**63, 2**63 - 1)), max_size=8),
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
    read, rows = read_tables(tmp_path, Monitor())
    assert read == catalogue
    assert list(rows.users) == list(written.users)
    assert rows.items.tolist() == written.items.tolist()
    assert rows.timestamps.tolist() == written.timestamps.tolist()
