"""Which columns of anybody's own tables hold what: guessed, said, or asked for; and tables of other shapes."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from own_tables import ITEMS, LOG, Said, load, read, refused, rows, write

from engine.data.raw import RawItem
from engine.errors import StudioError
from engine.settings import load_config

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
    assert items == [RawItem("w1", "Heat", 1995), RawItem("w2", "Up", 2009)]


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


@pytest.mark.parametrize("role", ["user", "item", "timestamp", "title", "year"])
@pytest.mark.parametrize("alike", [str, str.upper, "{}_".format])
def test_a_column_of_which_there_are_several_is_refused(tmp_path: Path, role: str, alike: Callable[[str], str]) -> None:
    """Which of them was taken would else depend on where they stand; columns that nobody reads may come twice."""
    tables = {
        "interactions.csv": "user,item,timestamp,note\nu,a,1,x\n",
        "items.csv": "item,title,year,note\na,Up,2009,x\n",
    }
    for name, text in tables.items():
        names, cells = (line.split(",") for line in text.splitlines())
        more = [alike(role)] if role in names else []
        lines = [[*names, "note", *more], [*cells, "y", *("7" for _ in more)]]
        (tmp_path / name).write_text("\n".join(",".join(line) for line in lines) + "\n")
    assert f"several columns are called {role}" in refused(tmp_path)
    said = f"{role}={role}"
    if alike is str:
        assert f"several columns are called {role}" in refused(tmp_path, said)
    else:
        read(tmp_path, said)


def test_columns_that_nobody_reads_may_come_twice(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text("user,note,item,timestamp,note\nu,x,a,3,y\n")
    (tmp_path / "items.csv").write_text("item,note,note,title\na,x,y,Up\n")
    assert rows(read(tmp_path)[0]) == [("u", "a", 3)]


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
        assert items == [RawItem("a", "Heat", genres=("Crime", "Drama")), RawItem("b", "Up")]
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


def test_blanks_part_cells_where_nothing_else_does(tmp_path: Path) -> None:
    """As logs of research code have them; a title of several words needs quotes there, or another separator."""
    (tmp_path / "log.txt").write_text("user item time\nu a 3\nu b 1\n")
    (tmp_path / "things.txt").write_text('id title\na "Heat and Dust"\nb Up\n')
    raw, found = read(tmp_path)
    assert rows(raw) == [("u", "a", 3), ("u", "b", 1)]
    assert [item.title for item in found] == ["Heat and Dust", "Up"]
    (tmp_path / "things.txt").write_text("id,long title\na,Heat and Dust\nb,Up\n")
    raw, found = read(tmp_path, "title=long title")
    assert [item.title for item in found] == ["Heat and Dust", "Up"]
    (tmp_path / "things.txt").write_text("id title\na Heat and Dust\nb Up\n")
    with pytest.raises(StudioError, match=r"4 cells instead of 2 \(.*things\.txt, line 2\).*cells that contain blanks"):
        read(tmp_path)
    (tmp_path / "things.txt").unlink()
    (tmp_path / "log.txt").write_text("1 7 3\n1 8 1\n")
    raw, _ = read(tmp_path, "user=1,item=2,timestamp=3,title=-")
    assert rows(raw) == [("1", "7", 3), ("1", "8", 1)]


def test_the_question_is_about_the_table_that_looks_like_interactions(tmp_path: Path) -> None:
    (tmp_path / "a catalogue.csv").write_text("sku,title\ns1,Heat\n")
    (tmp_path / "b log.csv").write_text("when,sku,patron\n1,s1,p\n")
    assert "which column is the user" in (told := refused(tmp_path))
    assert "there are: when, sku, patron" in told


def test_hetrec_last_fm_has_no_times_and_quotes_nothing(tmp_path: Path) -> None:
    """Another of its tables names users and items as well: then the one of interactions has to be named."""
    names = ["MALICE MIZER", 'Diary of "Dreams', '"Weird" Al', 'x"y', "Bj\u00f6rk"]
    listed = "".join(f"{number}\t{name}\thttp://x\t\n" for number, name in enumerate(names))
    (tmp_path / "artists.dat").write_text(f"id\tname\turl\tpictureURL\n{listed}")
    log = "".join(f"2\t{number}\t13883\n" for number in (4, 2, 0, 1, 3))
    (tmp_path / "user_artists.dat").write_text(f"userID\tartistID\tweight\n{log}")
    assert "which column is the timestamp?" in refused(tmp_path)
    raw, found = read(tmp_path, "timestamp=-")
    assert [item for _, item, _ in rows(raw)] == ["4", "2", "0", "1", "3"]
    assert [item.title for item in found] == names
    (tmp_path / "user_taggedartists.dat").write_text("userID\tartistID\ttagID\n2\t1\t13\n")
    assert "several tables may be meant: user_artists.dat, user_taggedartists.dat" in refused(tmp_path, "timestamp=-")
    assert rows(read(tmp_path / "user_artists.dat", "timestamp=-")[0]) == rows(raw)
