"""Rows of a delimited text file: the separator is recognised, quotes are checked, and every fault has its line.

The first line names the columns. Between commas, semicolons and bars cells may be quoted as in CSV; between tabs a
quote is a quote, unless it opens and closes a cell. Columns that nobody asks for may hold whatever they like.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn, cast

from engine.data.naming import clean
from engine.errors import StudioError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may stand between cells, and what messages call it."""
MOST_CELL = 1 << 24
"""Characters of the longest cell; what is longer is a quote that was never closed, or no table."""

csv.field_size_limit(MOST_CELL)  # the library's own limit refuses long cells in columns that nobody reads


class Table:
    """One file. ``header``: its columns' names in lower case, without RecBole's types (``user_id:token``).

    Args:
        path: UTF-8 text, plain or ``.gz``.
        known: names of columns, by which the separator is recognised.

    Raises:
        StudioError: the file cannot be read.
    """

    def __init__(self, path: Path, known: Collection[str]) -> None:
        self.path = path
        self.line = 0
        """Where the row that was read last begins."""
        first = ""
        with self._lines() as lines:
            for first in lines:
                self.line += 1
                if first.strip() and not first.lower().startswith("sep="):  # Excel's own first line
                    break
        self._header_line = self.line
        names = {separator: _names(first, separator) for separator in SEPARATORS}
        self.separator = max(names, key=lambda separator: (len({*names[separator]} & {*known}), len(names[separator])))
        self.header = names[self.separator]

    def rows(self, columns: Sequence[str | None]) -> Iterator[list[str]]:
        """The cells of these columns, as written, row by row; "" for ``None``. Empty lines are passed over.

        Raises:
            StudioError: names the line.
        """
        size, tabs = len(self.header), self.separator == "\t"
        places = [size if name is None else self.header.index(name) for name in columns]
        with self._lines() as lines:
            quoting: Literal[0, 3] = csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
            reader, last = csv.reader(lines, delimiter=self.separator, quoting=quoting, strict=True), 0
            try:
                for row in reader:
                    self.line, last = last + 1, reader.line_num
                    if self.line <= self._header_line or not row:
                        continue
                    if len(row) != size:
                        row = self._mended(row, last)
                    row.append("")
                    cells = [row[place] for place in places]
                    if tabs:
                        cells = [_bare(cell) if cell[:1] == '"' else cell for cell in cells]
                    elif last > self.line:
                        self._check_swallowed(cells, columns, last)
                    yield cells
            except csv.Error:
                self.line = last + 1
                self._explain()

    def fail(self, what: str, column: str, remedy: str) -> NoReturn:
        """Raise for the row just read."""
        place = f"{self.path}, line {self.line}" + (f", column {column}" if column else "")
        raise StudioError(what, where=place, remedy=remedy)

    def _mended(self, row: list[str], last: int) -> list[str]:
        """A row of another length than the header, where it can be told what was meant. ``last``: where it ends."""
        size = len(self.header)
        again = next(csv.reader(["\t".join(row)], delimiter="\t"), []) if self.separator == "\t" else []
        if len(again) == size:  # a cell that holds a tab is quoted after all
            return again
        if len(row) < size or any(cell.strip() for cell in row[size:]):
            remedy = f"put cells that contain {SEPARATORS[self.separator]} in double quotes"
            found = f"{len(row)} cells instead of {size}"
            if last > self.line:
                found, remedy = f"{found}, as a quoted cell goes on to line {last}", "close the quote earlier"
            self.fail(found, "", remedy)
        return row[:size]

    def _explain(self) -> NoReturn:
        """Raise for the row that begins at ``line``, whose quotes are wrong or which does not end."""
        with self._lines() as lines:
            text = ""
            for line in islice(lines, self.line - 1, None):
                text += line
                if len(text) > MOST_CELL:
                    break
        opened, closed, column = _faulty_quote(text, self.separator)
        self.line += text.count("\n", 0, max(opened, 0))
        name = self.header[column] if 0 <= column < len(self.header) else ""
        if opened < 0:
            self.fail(f"a cell of more than {MOST_CELL} characters", "", "bring a table of rows")
        if closed is None:
            self.fail("not valid CSV: a quote that opens here is never closed", name, "close it, or remove it")
        if further := text.count("\n", opened, closed):
            what = f"not valid CSV: the quote that opens here is closed in line {self.line + further}, within a cell"
            self.fail(what, name, "close it where its cell ends, or remove it")
        self.fail("not valid CSV: a quote is closed within a cell", name, "write quotes in a quoted cell twice")

    def _check_swallowed(self, cells: Sequence[str], names: Sequence[str | None], last: int) -> None:
        """Refuse a cell that holds whole rows: its quote was meant to be closed earlier."""
        for cell, name in zip(cells, names, strict=True):
            if any(part.count(self.separator) + 1 >= len(self.header) > 1 for part in cell.splitlines()[1:]):
                what = f"a quoted cell goes on to line {last} and holds what look like rows"
                self.fail(what, name or "", "close the quote where its cell ends")

    @contextmanager
    def _lines(self) -> Iterator[Iterator[str]]:
        """The file's lines; its faults become :class:`StudioError`."""
        try:
            with _binary(self.path) as binary:
                text = io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
                yield iter(partial(text.readline, 2 * MOST_CELL), "")
        except UnicodeDecodeError:
            where = f"{self.path}, line {_undecodable(self.path)}"
            raise StudioError("not UTF-8 text", where=where, remedy="save the file as UTF-8") from None
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise StudioError("damaged or cut off", where=str(self.path), remedy="fetch it anew") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise StudioError(f"cannot be read: {reason}", where=str(self.path), remedy="check the file") from None


def _binary(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _undecodable(path: Path) -> int:
    """The line that is not UTF-8: text is decoded in blocks, so that it is found by looking once more."""
    with _binary(path) as handle:
        for number, line in enumerate(handle, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def _names(line: str, separator: str) -> list[str]:
    row = next(csv.reader([line], delimiter=separator), [])
    return [clean(name).lower().partition(":")[0] for name in row]


def _bare(cell: str) -> str:
    """Without the quotes around it, if they are those of CSV: any within are doubled."""
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell.endswith('"') and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell


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
