"""Tables as people export them: any usual separator, and quotes whose faults are found where they are."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data import delimited
from engine.data.delimited import OwnSheet
from engine.data.files import File
from engine.errors import StudioError
from engine.monitor import Monitor

KNOWN = ("item", "title", "year")


def sheet(path: Path) -> OwnSheet:
    return OwnSheet(File(path), Monitor(), KNOWN)


def rows(path: Path, text: str | bytes, *columns: str | None) -> list[list[str]]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = sheet(path)
    return [list(row) for row in found.rows([name and found.place(name) for name in columns or ("item", "title")])]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_are_recognised(tmp_path: Path, separator: str, end: str) -> None:
    lines = [["item", "title", "more; or, less"], ["a", "Good; the, Bad", "x"], ["b", "Up", ""]]
    text = end.join(separator.join(f'"{cell}"' for cell in line) for line in lines)
    assert rows(tmp_path / "t.csv", text) == [["a", "Good; the, Bad"], ["b", "Up"]]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nitem;title\na;Heat, Up\n",
        "\n\n item ;Title;\n\na;Heat, Up;\n\n",
        "\ufeffITEM;TITLE\na;Heat, Up",
        "item:token;title:token_seq\na;Heat, Up\n",
        "title;item\nHeat, Up;a;;\n",
    ],
)
def test_headers_are_forgiven(tmp_path: Path, text: str) -> None:
    assert rows(tmp_path / "t.csv", text) == [["a", "Heat, Up"]]


def test_between_tabs_a_quote_is_a_quote_unless_it_encloses_a_cell(tmp_path: Path) -> None:
    text = 'item\ttitle\na\t"Heat" is on\nb\t"Up"\nc\t"say ""Hi"""\nd\t"Heat" and "Up"\ne\t"\nf\t"a\tb"\ng\t5" nails\n'
    assert [title for _, title in rows(tmp_path / "t.tsv", text)] == [
        *('"Heat" is on', "Up", 'say "Hi"', '"Heat" and "Up"', '"', "a\tb", '5" nails')
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('item,title\na,"Heat\nb,Up\n', "a quote that opens here is never closed (PATH, line 2, column title)"),
        ('item,title\nz,"A\nB"\na,"Heat\nb,Up\n', "never closed (PATH, line 4, column title)"),
        ('item,title\n\n\r\na,Up\n"b,Heat\n', "never closed (PATH, line 5, column item)"),
        ('item,title,year\na,"x\ny","Heat\nb,Up,1\n', "never closed (PATH, line 3, column year)"),
        ('item,title\na,"Heat\nb,Up\nc,"Good, Bad"\n', "opens here is closed in line 4, within a cell (PATH, line 2"),
        (
            'item,title\na,"Heat\nb,Up"\nc,Ran\n',
            "goes on to line 3 and holds what look like rows (PATH, line 2",
        ),
        ('item,title\na,"Heat\nb,Up\nc,",x\n', "as a quoted cell goes on to line 4 (PATH, line 2)"),
        ('item,title\na,"Heat" is on\n', "a quote is closed within a cell (PATH, line 2, column title)"),
        ('item,title,more\na,Heat,"said ""so""\nb,Up,\n', "never closed (PATH, line 2, column more)"),
        ("item;title\na;Heat;Up\n", "3 cells instead of 2 (PATH, line 2) — put cells that contain semicolons"),
        ("item\ttitle\na\n", "1 cell instead of 2 (PATH, line 2)"),
    ],
)
def test_faults_are_named_where_they_are(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(StudioError) as failure:
        rows(path, text)
    assert told.replace("PATH", str(path)) in str(failure.value)


def test_a_quote_that_swallows_a_large_file_is_found_without_reading_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "MOST_LINE", 1000)
    limit = csv.field_size_limit(1000)
    try:
        text = 'item,title\na,Heat\nb,"Up\n' + "c,Ran\n" * 500
        with pytest.raises(StudioError, match=r"never closed .*line 3, column title"):
            rows(tmp_path / "t.csv", text)
    finally:
        csv.field_size_limit(limit)


def test_long_cells_of_other_columns_do_not_matter(tmp_path: Path) -> None:
    long = "x" * 400_000
    for separator in ",\t":
        text = f"item,more,title\na,{long},Heat\nb,,Up\n".replace(",", separator)
        assert rows(tmp_path / "t.csv", text) == [["a", "Heat"], ["b", "Up"]]
    assert rows(tmp_path / "t.csv", f'item,more,title\na,"{long}\n{long}",Heat\n') == [["a", "Heat"]]


def test_text_of_several_lines_is_no_swallowed_row(tmp_path: Path) -> None:
    text = 'item,title,year\na,"Heat\nor, Cold",1\nb,Up,2\n'
    assert rows(tmp_path / "t.csv", text) == [["a", "Heat\nor, Cold"], ["b", "Up"]]


def test_compressed_files_and_their_faults(tmp_path: Path) -> None:
    path, text = tmp_path / "t.csv.gz", b"item,title\n" + b"a,Heat\n" * 5000
    assert len(rows(path, gzip.compress(text))) == 5000
    for broken in (gzip.compress(text)[:-20], gzip.compress(text)[:30] + b"\0" * 40):
        with pytest.raises(StudioError, match="damaged or cut off"):
            rows(path, broken)


def test_absent_columns_are_empty(tmp_path: Path) -> None:
    assert rows(tmp_path / "t.csv", "title,item\nHeat,a\n", "item", None, "title") == [["a", "", "Heat"]]


@given(st.lists(st.lists(st.text(max_size=20), min_size=2, max_size=2), min_size=1, max_size=6), st.sampled_from(",;|"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_library_writes_is_read(tmp_path: Path, cells: list[list[str]], separator: str) -> None:
    lines = [[cell.encode("utf-8", "replace").decode().replace(separator, "/") for cell in row] for row in cells]
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([["item", "title"], *lines])
    assert [list(row) for row in sheet(tmp_path / "t.csv").rows([0, 1])] == lines


@pytest.mark.parametrize("text", ['item,title\n"a\nb",x\n\n\nc,y\nd,z\n', "sep=,\n\nitem,title\n\na,x\nc,y\n\nd,z"])
def test_lines_of_rows_are_found(tmp_path: Path, text: str) -> None:
    found = rows(tmp_path / "t.csv", text)
    written = text.split("\n")
    for row, (_, title) in enumerate(found):
        assert written[sheet(tmp_path / "t.csv").line_of(row) - 1 + (row == 0 and '"a' in text)].endswith(title)


def test_a_byte_that_is_no_text_is_found_in_any_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.files.BLOCK", 64)
    text = b"\xef\xbb\xbfitem,title\n" + "".join(f"{n},Caf\u00e9 {n}\n" for n in range(50)).encode() + b"x,\xe9\n"
    with pytest.raises(StudioError, match=r"not UTF-8 text .*line 52"):
        rows(tmp_path / "t.csv", text)
    assert len(rows(tmp_path / "t.csv", text[:-4])) == 50
