"""Tables in text files, read a hundred thousand rows at a time, as columns, at the speed of the csv module."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NoReturn, TypeVar

from engine.data.arrow import ArrowLogReader, ArrowReader, Distinct
from engine.data.files import BOM, MOST_LINE, File, text_of
from engine.data.raw import LogBatch
from engine.labels import plural
from engine.monitor import Monitor

BATCH = 100_000
csv.field_size_limit(MOST_LINE)
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "::": "double colons"}
"""What usually stands between cells, and what messages call it."""
CellColumns = list[Sequence[str]]
CellPart = TypeVar("CellPart")


class Sheet:
    """A table with known separator: a tab, with quotes only around whole cells, another letter, with quotes as in CSV,
    or several letters, without quotes.

    Args:
        separator: what its format has between cells; where the first line lacks it, as in files that were saved anew,
            another of :data:`SEPARATORS` is taken.
        names: its columns, where the first line does not say them.

    Attributes:
        names: its columns in lower case, without RecBole's types (``user_id:token``).
        long: rows so far that had further cells, which are passed over.

    Raises:
        StudioError: the file cannot be read or is empty.
    """

    def __init__(self, file: File, separator: str, monitor: Monitor, names: Sequence[str] = ()) -> None:
        self.file, self.separator, self.monitor = file, separator, monitor
        self.headed = not names
        self.long = 0
        self.first = self._first_row()
        """Cells of the first line."""
        if len(self.first) == 1 and (other := self._other_separator(self.first[0], len(names))):
            self.separator = other
            self.first = self._first_row()
        self.names = list(names) or [name.strip().lower().partition(":")[0] for name in self.first]

    def place(self, *names: str) -> int | None:
        """The place of the column that has the first of these names that occurs.

        Raises:
            StudioError: several have it.
        """
        name = next((name for name in names if name in self.names), None)
        if name is not None and self.names.count(name) > 1:
            self.file.fail(f"several columns are called {name}", "name them differently", 1)
        return None if name is None else self.names.index(name)

    def need(self, what: str, *names: str) -> int:
        """As :meth:`place`; raises :class:`StudioError` where none of the names occurs."""
        found = self.place(*names)
        if found is None:
            if len(self.first) == 1:
                self.file.fail(
                    f"no column with the {what}: the first line is one cell, {self.first[0][:80]!r}",
                    f"put {SEPARATORS.get(self.separator, self.separator)} between cells",
                    1,
                )
            expected = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
            self.file.fail(
                f"no column with the {what}", f"it is looked for as {expected}; there are {self._shown()}", 1
            )
        return found

    def batches(self, places: Sequence[int | None]) -> Iterator[CellColumns]:
        """The cells of these columns, batch by batch; "" for ``None``.

        Raises:
            StudioError: a row has too few cells or a quote is never closed; names the line.
        """
        yield from self._columns(self._batches(self._texts(), 1), 1, places)

    def _columns(
        self, batches: Iterator[list[list[str]]], number: int, places: Sequence[int | None]
    ) -> Iterator[CellColumns]:
        """Columns of rows that begin in a line of the file."""
        size = len(self.names)
        for batch in batches:
            found = len(batch)
            if number == 1 and self.headed:
                del batch[:1]
                number, found = 2, found - 1
            if set(map(len, batch)) != {size}:
                batch = self._mended(batch, number, places)
            number += found
            if batch:
                cells = list(zip(*batch, strict=True))
                empty = ("",) * len(batch)
                yield [empty if place is None else cells[place] for place in places]

    def log(self, user: int, item: int, time: int | None) -> Iterator[LogBatch]:
        """Three columns for :class:`engine.data.raw.LogBuilder`. Arrow reads them, ten times as fast as
        :meth:`batches`; any piece with a fault is read as there.

        Raises:
            StudioError: as :meth:`batches`.
        """

        def slow(columns: CellColumns) -> LogBatch:
            return columns[0], columns[1], None if time is None else columns[2]

        yield from self._read((user, item, time), ArrowLogReader(self._fast(), user, item, time).read, slow)

    def distinct(self, places: Sequence[int | None]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """The place of a row (from 0, without the header), how many are equal to it in the first two of these columns,
        and its cells. All rows of a pair may be told at once, or one after the other; the first comes first.

        Raises:
            StudioError: as :meth:`batches`.
        """
        fast, passed = self._fast(), 0

        def slow(columns: CellColumns) -> tuple[int, Distinct]:
            return len(columns[0]), [(row, 1, cells) for row, cells in enumerate(zip(*columns, strict=True))]

        for size, rows in self._read(places, lambda block: fast.distinct(block, places), slow):
            for row, count, cells in rows:
                yield passed + row, count, cells
            passed += size

    def _fast(self) -> ArrowReader:
        return ArrowReader(self.separator, len(self.names), quoted=self.quoted)

    def _read(
        self,
        places: Sequence[int | None],
        fast: Callable[[bytes], CellPart | None],
        slow: Callable[[CellColumns], CellPart],
    ) -> Iterator[CellPart]:
        """Pieces as ``fast`` reads them, or ``slow`` their columns of these places where it does not."""
        blocks, number = self.file.blocks(self.monitor), 1
        for block in blocks:
            found = None
            if self._is_plain(block):
                found = fast(block[self._begin_of_rows(block) :] if number == 1 else block)
            if found is not None:
                yield found
            else:
                to_the_end = b'"' in block and len(self.separator) == 1  # a quote may go on into the next piece
                rest = chain([block], blocks) if to_the_end else iter([block])
                batches = self._batches(self._decoded(rest, number), number)
                yield from map(slow, self._columns(batches, number, places))
            number += block.count(b"\n")

    def _is_plain(self, block: bytes) -> bool:
        """Whether rows end where Arrow sees them end, and the piece is text."""
        return b"\0" not in block and block.count(b"\r") == block.count(b"\r\n")

    def _begin_of_rows(self, block: bytes) -> int:
        """Where they begin in the first piece."""
        begin = len(BOM) if block.startswith(BOM) else 0
        return block.find(b"\n", begin) + 1 if self.headed else begin

    def rows(self, places: Sequence[int | None]) -> Iterator[tuple[str, ...]]:
        """As :meth:`batches`, row by row."""
        return chain.from_iterable(zip(*columns, strict=True) for columns in self.batches(places))

    def _other_separator(self, line: str, columns: int) -> str | None:
        """What stands between the cells of a first line that the separator does not part: of ``columns`` names, or of
        as many as there are where that is 0."""
        counts = {other: line.count(other) for other in SEPARATORS}
        fitting = [other for other, count in counts.items() if count and columns in (0, count + 1)]
        return max(fitting, key=counts.__getitem__, default=None)

    def _shown(self) -> str:
        return ", ".join(self.names[:12]) + (", …" if len(self.names) > 12 else "")

    def _first_row(self) -> list[str]:
        batch = next(self._batches(self._texts(), 1), None)
        return batch[0] if batch else self.file.fail("an empty file", "fetch it anew")

    def _batches(self, texts: Iterator[str], number: int) -> Iterator[list[list[str]]]:
        """Rows as lists of cells, of texts that begin in a line of the file."""
        if not self.quoted:
            yield from filter(None, map(self._plain, texts))
            return
        rows = csv.reader(chain.from_iterable(map(io.StringIO, texts)), strict=True, delimiter=self.separator)
        try:
            while batch := list(islice(rows, BATCH)):
                yield batch
        except csv.Error as error:
            self._misquoted(error, number - 1 + rows.line_num)

    @property
    def quoted(self) -> bool:
        """Whether cells may be quoted as in CSV."""
        return len(self.separator) == 1 and self.separator != "\t"

    def _misquoted(self, error: csv.Error, line: int) -> NoReturn:
        """Raise for a fault that the csv module found up to a line."""
        remedy = "check its quotes, or fetch it anew: it may be cut off"
        self.file.fail(f"not valid CSV ({error})", remedy, line)

    def _texts(self) -> Iterator[str]:
        return self._decoded(self.file.blocks(self.monitor), 1)

    def _decoded(self, blocks: Iterator[bytes], number: int) -> Iterator[str]:
        """Pieces as text, the first of which begins in a line of the file."""
        for block in blocks:
            if b"\0" in block:
                self.file.fail_as_text()
            yield text_of(block.removeprefix(BOM) if number == 1 else block)
            number += 1

    def _plain(self, text: str) -> list[list[str]]:
        """Rows of a block without quotes; between tabs a quote is a quote, unless it opens and closes a cell as some
        libraries write it."""
        lines = (text.replace("\r\n", "\n") if "\r" in text else text).split("\n")
        if not lines[-1]:
            lines.pop()
        if self.separator == "\t" and '"' in text:
            rest = iter(lines)
            return [self._unquoted(line, rest) if '"' in line else line.split("\t") for line in rest]
        return [line.split(self.separator) for line in lines]

    def _unquoted(self, line: str, rest: Iterator[str]) -> list[str]:
        row = line.split("\t")
        size = len(getattr(self, "names", row))
        while len(row) < size and line.count('"') % 2:  # a cell that holds the end of a line
            more = next(rest, None)
            if more is None:
                break
            line = f"{line} {more}"
            row = line.split("\t")
        if len(row) != size:
            with contextlib.suppress(csv.Error):  # a carriage return within the line
                again = next(csv.reader([line], delimiter="\t"), [])
                if len(again) == size:
                    return again
        return [_bare(cell) for cell in row]

    def _mended(self, batch: list[list[str]], number: int, places: Sequence[int | None]) -> list[list[str]]:
        """Rows of another length than the first line's: empty ones go, further cells between tabs go, and are faults
        otherwise, where they are the rest of a cell; missing ones are faults unless nobody asks for them."""
        size, least = len(self.names), 1 + max(place or 0 for place in places)
        kept = []
        for line, row in enumerate(batch, number):
            if len(row) > size:
                if any(row[size:]) and self.separator != "\t":
                    cells = f"put cells that contain {SEPARATORS.get(self.separator, self.separator)} in double quotes"
                    remedy = cells if self.quoted else "correct the line"
                    self.file.fail(f"{plural(len(row), 'cell')} instead of {size}", remedy, line)
                self.long += any(row[size:])
                row = row[:size]
            elif not row or row == [""]:
                continue
            elif len(row) < size:
                if len(row) < least:
                    remedy = "correct the line; if it is the last one, the file was cut off: fetch it anew"
                    self.file.fail(f"{plural(len(row), 'cell')} instead of {size}", remedy, line)
                row = row + [""] * (size - len(row))
            kept.append(row)
        return kept


def _bare(cell: str) -> str:
    """Without the quotes around it, if they are those of CSV: any within are doubled."""
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell
