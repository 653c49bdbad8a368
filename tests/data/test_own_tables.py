"""Anybody's own tables: what is read, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_tables import ITEMS, LOG, Said, load, read, refused, rows, write

from engine.config import DataConfig
from engine.data import load_dataset
from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.raw import RawItem
from engine.data.tables import write_tables
from engine.data.title_parsing import clean
from engine.errors import StudioError
from engine.monitor import Monitor


def test_columns_become_a_data_set(tmp_path: Path) -> None:
    dataset = load(write(tmp_path))
    assert [dataset.catalogue.display(item) for item in range(3)] == ["Heat (1995)", "Good, the Bad", "Up (2009)"]
    assert dataset.catalogue.genres == (("Crime", "Drama"), (), ())
    assert dataset.catalogue.raw_ids == ("a", "b", "c")
    assert (dataset.user_ids, dataset.sequences[0].tolist()) == (("u",), [1, 2, 0])
    assert str(tmp_path) in dataset.source


def test_order_of_columns_letter_case_bom_and_extra_columns_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "\ufeffTitle,Rating,ITEM\r\nHeat (1995),x,a\r\n\r\n", "timestamp,stars,item,user\r\n7,5,a,u\r\n")
    raw, items = read(tmp_path)
    assert (items, rows(raw)) == ([RawItem("a", "Heat", 1995)], [("u", "a", 7)])


def test_dates_and_whole_numbers_are_timestamps(tmp_path: Path) -> None:
    write(tmp_path, log="user,item,timestamp\nu,a,1970-01-02\nu,b,1970-01-01T00:01:00\nu,c,1970-01-01T01:00:00+01:00\n")
    assert read(tmp_path)[0].log.times.tolist() == [86_400, 60, 0]


@pytest.mark.parametrize(
    ("items", "log", "told"),
    [
        (ITEMS, "user,item,timestamp\nu,a,yesterday\n", ["'yesterday' is not a timestamp", "line 2, column timestamp"]),
        (ITEMS, "user,item,timestamp\nu,a,1.5.2\n", ["'1.5.2' is not a timestamp", "line 2"]),
        (ITEMS, 'user,item,timestamp\n"u\nv",a,1\n\nu,a,soon\n', ["'soon' is not", "interactions.csv, line 5"]),
        (ITEMS, f"user,item,timestamp\nu,a,{10**30}\n", ["too large", "line 2, column timestamp"]),
        (ITEMS, "user,item,timestamp\nu,a,1\nu,b,1714600000\nu,a,1714600000000\n", ["mix units", "line 4"]),
        (ITEMS, "user,item,timestamp\nu,a\n", ["2 cells instead of 3", "line 2"]),
        (ITEMS, "", ["an empty file", "interactions.csv"]),
        ("item,title\na,Good, Bad\n", LOG, ["3 cells instead of 2", "line 2", "double quotes"]),
        ("item,title,year\na,Heat,95x\n", LOG, ["'95x' is not a year", "line 2, column year", "columns=year=-"]),
        ("item,title,year\na,Heat,1995.5\n", LOG, ["'1995.5' is not a year", "line 2, column year"]),
        (ITEMS, f"user,item,timestamp\nu,a,1\nu,{'x' * 501},1\n", ["longer than 500", "line 3, column item"]),
        (ITEMS, f"user,item,timestamp\nu,a,1\n{'x' * 501},a,1\n", ["longer than 500", "line 3, column user"]),
        (b"item,title\na,Heat\nb,Up\nc,Caf\xe9\n", LOG, ["not UTF-8", "items.csv, line 4", "encoding=cp1252, which"]),
        ("item,title\na,Heat\n".encode("utf-16-le"), LOG, ["not UTF-8", "items.csv", "data.encoding=utf-16-le"]),
        ("item,title\na,Heat\n".encode("utf-16")[:-1], LOG, ["first bytes", "items.csv, line 2"]),
        ('item,title\na,"Heat\nb,Up\n', LOG, ["never closed", "items.csv, line 2, column title"]),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line_with_its_place(tmp_path: Path, items: str | bytes, log: str, told: list[str]) -> None:
    message = refused(write(tmp_path, items, log))
    assert all(part in message for part in told), message


def test_missing_files_and_a_missing_path_are_said(tmp_path: Path) -> None:
    assert "looked for interactions.csv and items.csv" in refused(tmp_path)
    (tmp_path / "items.csv").write_text(ITEMS)
    assert "which column is the user" in refused(tmp_path)
    assert "no such" in refused(tmp_path / "absent") or "there is no" in refused(tmp_path / "absent")
    with pytest.raises(StudioError, match=r"set data\.path"):
        load_dataset(DataConfig(dataset="csv"), 0, Monitor())


def test_rows_that_lack_something_are_dropped_and_counted(tmp_path: Path) -> None:
    log = "user,item,timestamp\n" + "".join(f"u,{item},{n}\n" for n, item in enumerate("abcd")) + ",a,9\nu,,9\nu,b,\n"
    record = load(write(tmp_path, log=log)).cleaning
    assert record is not None
    assert {kind: step.interactions for kind, step in record.dropped.items()} == {
        "incomplete": 2,
        "undated": 1,
        "unlisted": 1,
    }


def test_items_listed_again_and_items_without_a_title_are_said(tmp_path: Path) -> None:
    said = Said()
    items = read(write(tmp_path, "item,title\na,Heat\na,Up\nb,\u200b\nb,\u200b\n"), monitor=said)[1]
    assert [item.title for item in items] == ["Heat", ""]
    assert any(
        "items.csv lists an item again in 2 rows, 1 with another title; the first counts" in t for t in said.lines
    )
    assert load(write(tmp_path, ITEMS.replace("Up", "\u3164"))).catalogue.titles == ("Heat", "Good, the Bad", "c")


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
    items = f"item,title,year\na,{written},{year}\nb,Up,\nc,Alien,\n"
    assert load(write(tmp_path, items)).catalogue.display(0) == shown


def test_long_titles_and_long_columns_that_nobody_reads_do_no_harm(tmp_path: Path) -> None:
    items = "item,title,more,genres\n" + "".join(
        f"{item},{'Long ' * 200}{item},{'x' * 200_000},{'|'.join(f'Genre {n}' for n in range(99))}\n" for item in "abc"
    )
    _, found = read(write(tmp_path, items))
    assert [item.title for item in found] == [f"{'Long ' * 200}{item}" for item in "abc"]
    assert len(found[0].genres) == 99


def test_users_that_differ_in_what_cannot_be_seen_are_kept_apart(tmp_path: Path) -> None:
    users = ["ab", "a\u200bb", "a\u00adb", "a\ufeffb", "a\u202eb", "a\u200db", "a\ufe0fb", "a\tb", "a b", "a  b"]
    users += ["a\u00a0b", "ab ", " ab", "ab\u00a0", "\u00e9", "e\u0301", "a\u2060b", "ab\U000e0041"]
    write(tmp_path, "item,title\na,Heat\n", "user,item,timestamp\n" + "".join(f"{user},a,1\n" for user in users))
    found = read(tmp_path)[0].log.user_ids
    assert len(set(found)) == len(users)
    assert found[:2] == ("ab", "a<U+200B>b")
    assert not any(set(user) & set("\t\u200b\u202e\ufeff") for user in found)  # nothing that could disturb a page


def test_blanks_around_ids_that_mean_nothing_are_dropped(tmp_path: Path) -> None:
    write(tmp_path, "item,title\n a ,Heat\n", "user, item, timestamp\nu , a, 7 \n")
    raw, items = read(tmp_path)
    assert (items[0].raw, rows(raw)) == ("a", [("u", "a", 7)])


def test_a_column_may_name_the_unit_of_its_times(tmp_path: Path) -> None:
    write(tmp_path, log="user,item,timestamp_ms\nu,a,5\nu,b,1714600000\nu,c,1714600000500\n")
    raw, _ = read(tmp_path)
    assert raw.log.times.tolist() == [5, 1_714_600_000, 1_714_600_000_500]
    assert "milliseconds" in raw.notes[-1]


def test_control_characters_do_not_reach_titles(tmp_path: Path) -> None:
    write(tmp_path, 'item,title\na,"Heat\x1b[31m\nagain\u202e"\n', "user,item,timestamp\nu,a,1\n")
    assert read(tmp_path)[1][0].title == "Heat [31m again"


names = st.text(min_size=1, max_size=30).map(clean).filter(lambda text: text and "|" not in text)


@given(
    st.lists(st.tuples(names, st.none() | st.integers(1, 9999), st.lists(names, max_size=2)), min_size=1, max_size=6),
    st.lists(st.tuples(names, st.integers(1 - 2**63, 2**63 - 1)), min_size=1, max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
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
    raw, found = read(tmp_path)
    whole = zip(catalogue.titles, catalogue.years, catalogue.genres, catalogue.aliases, strict=True)
    assert [(item.title, item.year, item.genres, item.aliases) for item in found] == list(whole)
    ids = [catalogue.raw_ids[item] for item in written.items]
    assert rows(raw) == list(zip(written.users, ids, written.timestamps.tolist(), strict=True))
