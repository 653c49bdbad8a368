"""Anybody's own tables: what is read, how columns are found, and what each mistake is called."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config import DataConfig
from engine.data import Dataset, load_dataset
from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.naming import clean
from engine.data.raw import Item, Raw, Wanted
from engine.data.readers.csv import READER
from engine.data.tables import write_tables
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.settings import load_config

ITEMS = 'item,title,year,genres\na,Heat,1995,Crime|Drama\nb,"Good, the Bad",,\nc,Up,2009,\n'
LOG = "user,item,timestamp\nu,a,3\nu,b,1\nv,c,2\nu,c,2\n"


class Said(Monitor):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def write(folder: Path, items: str | bytes = ITEMS, log: str | bytes = LOG) -> Path:
    for name, content in (("items.csv", items), ("interactions.csv", log)):
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(path: Path, columns: str | None = None, monitor: Monitor | None = None) -> tuple[Raw, list[Item]]:
    """What a path holds, and its items."""
    raw = READER.read(DataConfig(dataset="csv", path=str(path), columns=columns), 0, monitor or Monitor())
    return raw, list(raw.items(Wanted(None), monitor or Monitor()))


def rows(raw: Raw) -> list[tuple[str, str, int]]:
    users, items = ([ids[code] for code in coded] for ids, coded in
                    ((raw.log.user_ids, raw.log.users), (raw.log.item_ids, raw.log.items)))  # fmt: skip
    return list(zip(users, items, raw.log.times.tolist(), strict=True))


def load(path: Path, columns: str | None = None) -> Dataset:
    config = DataConfig(dataset="csv", path=str(path), columns=columns, min_interactions=3)
    return load_dataset(config, 0, Monitor())


def refused(path: Path, columns: str | None = None) -> str:
    with pytest.raises(StudioError) as failure:
        read(path, columns)
    assert "\n" not in str(failure.value)
    return str(failure.value)


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
    assert (items, rows(raw)) == ([Item("a", "Heat", 1995)], [("u", "a", 7)])


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
        (b"item,title\na,Heat\nb,Up\nc,Caf\xe9\n", LOG, ["not UTF-8", "items.csv, line 4", "save the file as UTF-8"]),
        ("item,title\na,Heat\n".encode("utf-16"), LOG, ["not UTF-8", "items.csv"]),
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
        "2 rows of items.csv list an item again, 1 with another title; the first counts" in t for t in said.lines
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


HEADERS = [
    ("user_id:token\titem_id:token\trating:float\ttimestamp:float", "item_id:token\tmovie_title:token_seq"),
    ("userId,movieId,rating,timestamp", "movieId,title,genres"),
    ("user_id,parent_asin,rating,timestamp", "parent_asin,title"),
    ("reviewerID,asin,overall,unixReviewTime", "asin,title,brand"),
    ("user_id,book_id,rating,date_added", "book_id,title,authors"),
    ("User ID;ISBN;Rating;Date", "ISBN;Book-Title;Book-Author;Year-Of-Publication"),
    ("CustomerID|StockCode|Quantity|InvoiceDate", "StockCode|Description"),
    ("username^app_id^hours^date", "app_id^app_name"),
    ("uid~artist id~plays~ts", "id~name"),
    ("session_id::track_id::time", "track_id::track name"),
    ("visitorid#itemid#event#when", "itemid#name"),
    ("user,item,timestamp", "id,item name"),
]


@pytest.mark.parametrize(("log", "items"), HEADERS)
def test_usual_names_of_columns_and_any_separator_are_recognised(tmp_path: Path, log: str, items: str) -> None:
    def table(header: str, cells: dict[str, str], more: str) -> str:
        separator = next(mark for mark in ("\t", "::", ";", "|", "^", "~", "#", ",") if mark in header)
        names = header.split(separator)
        lines = [[cells.get(str(place), more) for place in range(len(names))]]
        return "\n".join([header, *(separator.join(line) for line in lines)]) + "\n"

    size = len(log.replace("::", "\t").split("\t")) if "::" in log or "\t" in log else 0
    last = str((size or max(len(log.split(mark)) for mark in ";|^~#,")) - 1)
    (tmp_path / "events.txt").write_text(table(log, {"0": "u", "1": "a", last: "1600000000"}, "5"))
    (tmp_path / "things.txt").write_text(table(items, {"0": "a", "1": "Heat"}, ""))
    raw, found = read(tmp_path)
    assert rows(raw) == [("u", "a", 1600000000)]
    assert (found[0].raw, found[0].title) == ("a", "Heat")


ODD_LOG = "Kunde;Ware;Wann\nk1;w1;3\nk1;w2;1\n"
ODD_ITEMS = "Nummer;Bezeichnung;Jahr\nw1;Heat;1995\nw2;Up;2009\n"
SAID = "user=Kunde,item=Ware|Nummer,timestamp=Wann,title=Bezeichnung,year=Jahr"


def odd(folder: Path) -> Path:
    (folder / "verkauf.csv").write_text(ODD_LOG)
    (folder / "waren.csv").write_text(ODD_ITEMS)
    return folder


@pytest.mark.parametrize(
    "columns",
    [
        SAID,
        " user = Kunde , item=ware|nummer, timestamp=WANN,title=bezeichnung,year=Jahr",
    ],
)
def test_columns_of_any_name_can_be_said(tmp_path: Path, columns: str) -> None:
    raw, items = read(odd(tmp_path), columns)
    assert rows(raw) == [("k1", "w1", 3), ("k1", "w2", 1)]
    assert items == [Item("w1", "Heat", 1995), Item("w2", "Up", 2009)]


def test_what_is_taken_for_what_is_noted(tmp_path: Path) -> None:
    raw, _ = read(odd(tmp_path), SAID)
    assert raw.notes[0] == "verkauf.csv: user=Kunde, item=Ware, timestamp=Wann"
    assert raw.notes[1] == "waren.csv: item=Nummer, title=Bezeichnung, year=Jahr"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (None, "which column is the user and the item and the timestamp?"),
        (None, "data.columns=user=…,item=…,timestamp=…; there are: Kunde, Ware, Wann"),
        (None, "timestamp=- takes the order of the rows"),
        ("user=Kunde,item=Ware", "which column is the timestamp?"),
        ("user=Kunde,item=Ware,timestamp=Wann", "which column is the item and the title?"),
        ("user=Kunde,item=Ware,timestamp=Wann", "there are: Nummer, Bezeichnung, Jahr"),
        ("user=Käufer,item=Ware,timestamp=Wann", "no column user=Käufer"),
        (f"{SAID},brand=Marke", "no column brand=Marke"),
    ],
)
def test_columns_that_cannot_be_guessed_are_asked_for(tmp_path: Path, columns: str | None, told: str) -> None:
    assert told in refused(odd(tmp_path), columns)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user", "'user' is not understood"),
        ("user=", "'user=' is not understood"),
        ("buyer=x", "roles are user, item, timestamp, title"),
        ("user=a,user=b", "user comes twice"),
        ("user=a,,item=b", "'' is not understood"),
    ],
)
def test_a_setting_that_cannot_be_understood_is_refused_at_once(text: str, told: str) -> None:
    with pytest.raises(StudioError, match=r"data\.columns") as failure:
        load_config("smoke", overrides=[f"data.columns={text}"])
    assert told in str(failure.value)


ONE = "user,item,timestamp,title,genre\nu,a,3,Heat,Crime|Drama\nu,b,1,Up,\nv,a,2,Heat,Crime\n"


def test_one_table_may_hold_both(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(ONE)
    for path in (tmp_path, tmp_path / "all.csv"):
        said = Said()
        raw, items = read(path, monitor=said)
        assert rows(raw) == [("u", "a", 3), ("u", "b", 1), ("v", "a", 2)]
        assert items == [Item("a", "Heat", genres=("Crime", "Drama")), Item("b", "Up")]
        assert not any("Warning" in line for line in said.lines)


def test_titles_that_differ_for_one_item_are_said(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(ONE.replace("v,a,2,Heat", "v,a,2,Great film!"))
    said = Said()
    read(tmp_path, monitor=said)
    assert any("1 with another title; the first counts" in line for line in said.lines)


def test_times_and_titles_may_be_done_without(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\nu,b\nu,a\nu,c\n")
    assert "timestamp=-" in refused(tmp_path)
    assert "the title" in refused(tmp_path, "timestamp=-")
    dataset = load(tmp_path, "timestamp=-,title=-")
    assert [dataset.catalogue.titles[item] for item in dataset.sequences[0]] == ["b", "a", "c"]


def test_a_table_without_names_is_read_by_places(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("u1,a,5.0,1600000000\nu1,b,4.0,1500000000\n")
    assert "there are: u1, a, 5.0, 1600000000" in refused(tmp_path)
    raw, items = read(tmp_path, "user=1,item=2,timestamp=4,title=-")
    assert rows(raw) == [("u1", "a", 1600000000), ("u1", "b", 1500000000)]
    assert [item.title for item in items] == ["a", "b"]
    (tmp_path / "ratings.csv").write_text("u1,a,5.0,1600000000\nu1,b,4.0,soon\n")
    assert "line 2, column 4" in refused(tmp_path, "user=1,item=2,timestamp=4,title=-")


def test_an_id_beside_a_user_is_that_of_the_row(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("id,user,thing,time\n1,u,a,3\n")
    assert "which column is the item?" in refused(tmp_path)


def test_tables_are_chosen_by_name_by_columns_or_by_data_path(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "ratings.csv").write_text(LOG.replace("u,", "w,"))
    (tmp_path / "README.txt").write_text("Read me first.\n")
    assert rows(read(tmp_path)[0])[0] == ("u", "a", 3), "interactions.csv goes before others"
    assert rows(read(tmp_path / "ratings.csv")[0])[0] == ("w", "a", 3)
    (tmp_path / "interactions.csv").rename(tmp_path / "clicks.csv")
    assert "several tables may be meant: clicks.csv, ratings.csv" in refused(tmp_path)
    (tmp_path / "ratings.csv").unlink()
    (tmp_path / "items.csv").rename(tmp_path / "films.csv")
    raw, items = read(tmp_path)
    assert (rows(raw)[0], items[0].title) == (("u", "a", 3), "Heat")


def test_packed_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "interactions.csv.gz").write_bytes(gzip.compress(LOG.encode()))
    (tmp_path / "a" / "items.tsv.gz").write_bytes(gzip.compress(b"item\ttitle\na\tHeat\n"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("mine/interactions.csv", LOG)
        archive.writestr("mine/items.csv", ITEMS)
    for path in (tmp_path / "a", tmp_path / "b.zip"):
        raw, items = read(path)
        assert (rows(raw)[0], items[0].title) == (("u", "a", 3), "Heat")


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
