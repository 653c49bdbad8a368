"""Tables that people export by themselves: any separator, and every fault named where it is.

Between tabs a quote is a quote, unless it opens and closes a cell; with other separators cells may be quoted as in CSV.
Columns that nobody asks for may hold whatever they like.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import NoReturn

from engine.data.columns import plain
from engine.data.files import BOM, MOST_LINE, File
from engine.data.sheet import SEPARATORS, CellColumns, Sheet
from engine.data.title_parsing import clean
from engine.errors import StudioError
from engine.labels import plural
from engine.monitor import Monitor

_CALLED = SEPARATORS | {" ": "blanks"}
_RETURN = ("not valid CSV: a carriage return within a line", "save the file with line ends of one kind")
_INTRODUCTION = re.compile(r"(?:[ \t]*\r?\n)*(?:sep=.\r?\n)?(?:[ \t]*\r?\n)*", re.IGNORECASE)
"""What may stand before the names of the columns: empty lines, and Excel's own first line."""


class OwnSheet(Sheet):
    """A table with a header.

    Args:
        known: names of columns as :func:`engine.data.columns.plain` writes them, by which the separator is recognised.
        headed: the first line names the columns; else their numbers do, from 1.

    Attributes:
        shown: the columns' names as the file writes them.

    Raises:
        StudioError: the file cannot be read or is empty.
    """

    def __init__(self, file: File, monitor: Monitor, known: Collection[str], *, headed: bool = True) -> None:
        self.before = 0
        """Lines before the header."""
        self.begin = 1
        self.file, self.monitor = file, monitor
        header = next(self._lines(), "")
        if "\r" in re.sub(r'"[^"]*"', "", header).rstrip("\r\n"):
            self.file.fail(*_RETURN, self.before + 1)
        possible = {*SEPARATORS} | {char for char in header if not char.isalnum() and char not in " _-.'\"\r\n"}
        if not any(separator in header for separator in possible) and self._are_words(header, known):
            possible = {" "}
        found = {separator: _cells(header, separator) for separator in possible}

        def fits(separator: str) -> tuple[int, bool, int, str]:
            names = found[separator]
            return len({plain(name) for name in names} & {*known}), separator in SEPARATORS, len(names), separator

        separator = max(possible, key=fits)
        numbers = [] if headed else [str(number) for number in range(1, len(found[separator]) + 1)]
        super().__init__(file, separator, monitor, numbers)
        self.shown = numbers or [clean(name) for name in self.first]
        self.names = [name.lower().partition(":")[0] for name in self.shown]

    @staticmethod
    def _are_words(header: str, known: Collection[str]) -> bool:
        """Whether blanks part cells: several names of columns, or numbers alone."""
        words = header.split(" ")
        names = {plain(word) for word in words} & {*known}
        return len(names) > 1 or (len(words) > 1 and all(word.strip().isdecimal() for word in words))

    def first_rows(self) -> Iterator[list[str]]:
        """Rows as they stand, the header first, one after the other; raises :class:`csv.Error` for wrong quotes."""
        return (cells for _, cells in self._located())

    def line_of(self, row: int) -> int:
        """The line in which a row (from 0, without the header) begins; reads the file again."""
        return next(islice((begin for begin, _ in self._located()), row + self.headed, None))

    def fail_at(self, what: str, remedy: str, line: int, place: int | None = None) -> NoReturn:
        """Raise for a line, and for the column in this place."""
        column = f", column {self.shown[place]}" if place is not None and place < len(self.shown) else ""
        raise StudioError(what, where=f"{self.file}, line {line}{column}", remedy=remedy)

    def _columns(
        self, batches: Iterator[list[list[str]]], number: int, places: Sequence[int | None]
    ) -> Iterator[CellColumns]:
        """As those of any sheet; a quote that is closed too late is a fault."""
        for columns in super()._columns(batches, number, places):
            if any("\n" in "".join(column) for column in columns):
                self._check_swallowed(places)
            yield columns

    def _is_plain(self, block: bytes) -> bool:
        try:
            return super()._is_plain(block) and (block.isascii() or bool(block.decode()))
        except UnicodeDecodeError:
            return False

    def _begin_of_rows(self, block: bytes) -> int:
        begin = len(BOM) if block.startswith(BOM) else 0
        if introduction := _INTRODUCTION.match(block[begin:].decode()):
            begin += len(introduction[0].encode())
        return block.find(b"\n", begin) + 1 if self.headed else begin

    def _decoded(self, blocks: Iterator[bytes], number: int) -> Iterator[str]:
        begun, passed = number > 1, number - 1
        for block in blocks:
            try:
                text = block.decode("utf-8" if passed else "utf-8-sig")
            except UnicodeDecodeError as error:
                self.file.fail_as_text(passed + block.count(b"\n", 0, error.start) + 1)
            if "\0" in text and "\0" in text.partition("\n")[0] and not begun:
                self.file.fail_as_text()
            passed += text.count("\n") or 1
            if "\r" in text and "\n" not in text:  # as old Macs wrote them
                text = text.replace("\r", "\n")
            if not begun and (introduction := _INTRODUCTION.match(text)):
                self.before, text = introduction[0].count("\n"), text[introduction.end() :]
                begun = bool(text)
            yield text

    def _other_separator(self, line: str, columns: int) -> None:
        return None

    def _first_row(self) -> list[str]:
        header = next(self._lines(), "")
        return _cells(header, self.separator) if header else self.file.fail("an empty file", "name its columns")

    def _lines(self) -> Iterator[str]:
        return chain.from_iterable(map(io.StringIO, self._texts()))

    def _located(self) -> Iterator[tuple[int, list[str]]]:
        """Rows with cells, the header first, and the lines in which they begin; ``begin`` is the line of the one that
        is being read."""
        self.begin = self.before + 1
        reader = csv.reader(self._lines(), strict=True, delimiter=self.separator) if self.quoted else None
        split = (text.rstrip("\r\n").split(self.separator) for text in self._lines())
        for number, cells in enumerate(reader or split, 1):
            if not _blank(cells):
                yield self.begin, cells
            self.begin = self.before + (reader.line_num if reader else number) + 1

    def _mended(self, batch: list[list[str]], number: int, places: Sequence[int | None]) -> list[list[str]]:
        size, rows = len(self.names), [row for row in batch if not _blank(row)]
        if not all(map(self._fits, rows)):
            begin, row = next((begin, row) for begin, row in self._located() if not self._fits(row))
            what, remedy = f"{plural(len(row), 'cell')} instead of {size}", "put cells that contain {} in double quotes"
            if further := "".join(row).count("\n"):
                what, remedy = f"{what}, as a quoted cell goes on to line {begin + further}", "close the quote earlier"
            self.fail_at(what, remedy.format(_CALLED.get(self.separator, self.separator)), begin)
        return [row[:size] for row in rows]

    def _fits(self, row: Sequence[str]) -> bool:
        size = len(self.names)
        return len(row) >= size and not any(map(str.strip, row[size:]))

    def _check_swallowed(self, places: Sequence[int | None]) -> None:
        """Refuse a cell that holds whole rows: its quote was meant to be closed earlier."""
        asked, size = [place for place in places if place is not None], len(self.names)
        for begin, cells in self._located():
            for place in asked:
                if any(part.count(self.separator) + 1 >= size > 1 for part in cells[place].split("\n")[1:]):
                    until = begin + "".join(cells).count("\n")
                    what = f"a quoted cell goes on to line {until} and holds what look like rows"
                    self.fail_at(what, "close the quote where its cell ends", begin, place)

    def _misquoted(self, error: csv.Error, line: int) -> NoReturn:
        """Raise for the row whose quotes are wrong or which does not end: it is found by reading again."""
        text = ""
        try:
            for _ in self._located():
                pass
        except csv.Error:
            for piece in islice(self._lines(), self.begin - self.before - 1, None):
                text += piece
                if len(text) > MOST_LINE:
                    break
        opened, closed, column = _faulty_quote(text, self.separator)
        if opened < 0 and "\r" in text.rstrip("\r\n"):
            self.fail_at(*_RETURN, self.begin)
        if opened < 0:
            self.fail_at(f"not valid CSV: {error}", "bring a table of rows", self.begin)
        line = self.begin + text.count("\n", 0, opened)
        if closed is None:
            what, remedy = "a quote that opens here is never closed", "close it, or remove it"
        elif further := text.count("\n", opened, closed):
            what = f"the quote that opens here is closed in line {line + further}, within a cell"
            remedy = "close it where its cell ends, or remove it"
        else:
            what, remedy = "a quote is closed within a cell", "write quotes in a quoted cell twice"
        self.fail_at(f"not valid CSV: {what}", remedy, line, column)


def _blank(cells: Sequence[str]) -> bool:
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _cells(line: str, separator: str) -> list[str]:
    if len(separator) > 1:
        return line.split(separator)
    with contextlib.suppress(csv.Error):
        return next(csv.reader([line], delimiter=separator), [])
    return line.split(separator)


def _faulty_quote(text: str, separator: str) -> tuple[int, int | None, int]:
    """Where the quote at fault opens, where it is closed (``None``: nowhere) and in which column; -1 for no fault."""
    column, place, size = 0, 0, len(text)
    while place < size:
        if text[place] == '"':
            opened = place
            while True:
                place = text.find('"', place + 1)
                if place < 0:
                    return opened, None, column
                if text[place + 1 : place + 2] != '"':
                    break
                place += 1
            if text[place + 1 : place + 2] not in ("", separator, "\r", "\n"):
                return opened, place, column
            place += 1
        else:
            ends = [end for end in (text.find(mark, place) for mark in (separator, "\n")) if end >= 0]
            place = min(ends, default=size)
        if text[place : place + 1] == "\n":
            column = -1
        column, place = column + 1, place + 1
    return -1, None, -1
