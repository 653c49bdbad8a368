"""Arrow reads what the csv module reads, or leaves it to it: whatever a table holds, both ways give one log."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.config import DataConfig
from engine.data import files
from engine.data.arrow import ArrowLogReader, ArrowReader
from engine.data.columns import KNOWN
from engine.data.delimited import OwnSheet
from engine.data.files import File
from engine.data.raw import LogBuilder, RawIdFilter
from engine.data.readers.csv import READER as OWN_TABLES
from engine.data.sheet import Sheet
from engine.data.timestamps import TimestampColumn
from engine.errors import StudioError
from engine.monitor import Monitor


def logs(sheet: Sheet, *, fast: bool) -> list[tuple[str, str, int]] | str:
    """The rows, or what is wrong with them."""
    builder = LogBuilder()
    if isinstance(sheet, OwnSheet):
        builder.times = TimestampColumn(None, "file", "t", sheet.line_of)
    try:
        for users, items, times in sheet.log(0, 1, 2) if fast else sheet.batches((0, 1, 2)):
            builder.add(users, items, times)
        log = builder.log(Monitor())[0]
    except StudioError as error:
        return str(error)
    rows = zip(log.users.tolist(), log.items.tolist(), log.times.tolist(), strict=True)
    return [(log.user_ids[user], log.item_ids[item], time) for user, item, time in rows]


def both(path: Path, separator: str = ",", *, own: bool = True) -> list[tuple[str, str, int]] | str:
    """What is read, the same in both ways."""
    try:
        sheet = OwnSheet(File(path), Monitor(), KNOWN) if own else Sheet(File(path), separator, Monitor())
    except StudioError as error:
        return str(error)
    found = [logs(sheet, fast=fast) for fast in (True, False)]
    assert found[0] == found[1] or (isinstance(found[0], str) and isinstance(found[1], str))  # one of several faults
    return found[0]


HEADER = "user,item,timestamp,note\n"
ROWS = {
    "plain": ("a,x,978300760,\nb,y,978300761,n\n", 2),
    "quoted": ('"a","x, y","978300760",""\n"b ""c""",y,978300761,"n"\n', 2),
    "a quote that is one": ('a,x "y",978300760,\nb,y,978300761,\n', 2),
    "a cell over two lines": ('a,x,978300760,"n\nm"\nb,y,978300761,\n', 2),
    "a cell over two lines of the first row only": ('"a\nb",x,978300760,\n', 1),
    "text behind a quote": ('"a"b,x,978300760,\n', "not valid CSV"),
    "a quote left open": ('a,x,978300760,"n\nb,y,978300761,m\n', "never closed"),
    "hexadecimal": ("a,x,0x3A4F3BC8,\n", "not a timestamp"),
    "ids that look hexadecimal": ("0x1,x,978300760,\n", 1),
    "blanks": ("a,x, 978300760 ,\n a,x,0978300761,\n", 2),
    "a sign": ("a,x,+978300760,\n", 1),
    "fractions": ("a,x,978300760,\nb,y,978300761.25,\n", 2),
    "numbers among dates": ("a,x,2024-05-01,\nb,y,978300761,\n", "number among dates"),
    "dates among numbers": ("a,x,978300760,\nb,y,2024-05-01,\n", "date among numbers"),
    "no time": ("a,x,,\nb,y,978300761,\n", 2),
    "words for nothing": ("nan,None,978300760,\nNULL,NA,978300761,\n", 2),
    "empty lines": ("\n\na,x,978300760,\n   \nb,y,978300761,\n\n", 2),
    "further empty cells": ("a,x,978300760,,,\n", 1),
    "further cells": ("a,x,978300760,n,m\n", "5 cells instead of 4"),
    "missing cells": ("a,x,978300760,n\nb,y\n", "2 cells instead of 4"),
    "line ends of Windows": ("a,x,978300760,\r\nb,y,978300761,\r\n", 2),
    "line ends of all kinds": ("a,x,978300760,\rb,y,978300761,\r\nc,z,978300762,\n", "a carriage return within a line"),
    "no end": ("a,x,978300760,\nb,y,978300761,n", 2),
    "a zero byte": ("a\0,x,978300760,\n", 1),
    "invisible": ("a\u200b,x,978300760,\na,x\u00a0,978300761,\n", 2),
}


@pytest.mark.parametrize("block", [40, 1 << 22])
@pytest.mark.parametrize("kind", ROWS)
def test_tables_are_read_as_the_csv_module_reads_them(
    tmp_path: Path, kind: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK", block)
    text, expected = ROWS[kind]
    for number, begin in enumerate(("", "\ufeff", "sep=,\n", "\n \n")):
        path = tmp_path / f"{number}.csv"
        path.write_text(begin + HEADER + text, encoding="utf-8", newline="")
        found = both(path)
        assert len(found) == expected if isinstance(expected, int) else expected in found


@pytest.mark.parametrize("separator", [",", "\t", ";", "::"])
def test_random_tables_are_read_alike_in_both_ways(
    tmp_path: Path, separator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK", 32)
    letters, draw = random.Random(separator), random.Random(0)
    parts = ['"', '""', "a", "b c", "é", "0x", " ", "\r", '"\n', separator, "\t", ""]
    read = 0
    for number in range(150):
        lines = [separator.join(("user", "item", "timestamp"))]
        for row in range(draw.randint(1, 6)):
            cells = ["".join(letters.choices(parts, k=draw.randint(0, 3))) if not draw.randrange(6) else f"id{row}"]
            quoted = draw.random() < 0.3
            cells += [f'"{separator}x"' if quoted else f"i{row}", str(978300760 + row)]
            lines.append(separator.join(cells))
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        for own in (True, False):
            read += isinstance(both(path, separator, own=own), list)
    assert read > 60


def test_what_is_plain_is_read_by_arrow_and_only_that() -> None:
    def reads(block: str, separator: str = ",", *, quoted: bool = True) -> bool:
        return ArrowLogReader(ArrowReader(separator, 4, quoted=quoted), 0, 1, 2).read(block.encode()) is not None

    assert reads('a,x,1,\n"b",y,2,"n, m"\n"c ""d""",z,3,""\n')
    assert reads("a::x::1::\n", "::", quoted=False)
    assert not reads('a,x "y",1,\n')
    assert not reads('a,x,1,"n\nm"\n')
    assert not reads('"a\tx\t1\tn\n', "\t", quoted=False)
    assert not reads("a,x,1\n")


@pytest.mark.parametrize("line", [2, 30, 100])
def test_faults_are_named_where_they_are_however_far_that_is(
    tmp_path: Path, line: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK", 64)
    rows = ["user,item,timestamp", *(f"u{row},i{row},{978300760 + row}" for row in range(120))]
    rows[line - 1] = 'u,"i"x,978300760'
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    for own in (True, False):
        assert f"line {line}" in str(both(path, own=own))


ITEMS = "item,title,year,genres\n"
LISTS = {
    "plain": "1,One,1999,A|B\n2,Two,,\n3,Three,2001,\n",
    "repeats": "1,One,1999,\n2,Two,,\n1,One,1999,\n1,Uno,1999,\n2,Two,,B\n",
    "of others": "9,Nine,,\n1,One,,\n9,Nine,,\n9,Neun,,\n8,Eight,,\n2,Two,,\n",
    "quoted": '"1","One, ""1""",,\n"2","Two",,"A"\n1,"One, ""1""",,\n',
    "a title over two lines": '1,"One\nand",,\n2,Two,,\n1,One,,\n',
    "a wrong year": "1,One,1999,\n2,Two,yes,\n",
    "a wrong year further down": "1,One,1999,\n2,Two,2000,\n" + "3,Three,2001,\n" * 30 + "4,Four,yes,\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_items_are_read_alike_in_both_ways(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK", 64)
    (tmp_path / "items.csv").write_text(ITEMS + LISTS[kind], encoding="utf-8")
    log = "".join(f"u,{item},{978300760 + item}\n" for item in (1, 2, 3, 4))
    (tmp_path / "interactions.csv").write_text(f"user,item,timestamp\n{log}", encoding="utf-8")
    found: list[object] = []
    for fast in (True, False):
        if not fast:
            monkeypatch.setattr(ArrowReader, "table", lambda *_: None)
        told: list[str] = []
        monitor = Monitor()
        monkeypatch.setattr(monitor, "message", told.append)
        raw = OWN_TABLES.read(DataConfig(dataset="csv", path=str(tmp_path)), 0, monitor)
        wanted = RawIdFilter({*raw.log.item_ids})
        try:
            found.append((list(raw.items(wanted, monitor)), wanted.passed, told))
        except StudioError as error:
            found.append(str(error))
    assert found[0] == found[1]
    assert isinstance(found[0], str) == ("wrong year" in kind)
