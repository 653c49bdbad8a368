"""Tables in text files, read a hundred thousand rows at a time, as columns, at the speed of the csv module."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from engine.data.files import MOST_LINE, File, text_of
from engine.monitor import Monitor

BATCH = 100_000
csv.field_size_limit(MOST_LINE)
Columns = list[Sequence[str]]


class Sheet:
    """A table with known separator: ``","`` with quotes as in CSV, a tab with quotes only around whole cells, or
    anything else without.

    Args:
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
        first = next(self._texts(), None)
        if first is None:
            file.fail("an empty file", "fetch it anew")
        self.first: list[str] = next(self._split(iter([first])), [])
        """Cells of the first line."""
        self.names = list(names) or [name.strip().lower().partition(":")[0] for name in self.first]

    def place(self, *names: str) -> int | None:
        """The place of the column that has the first of these names that occurs."""
        return next((self.names.index(name) for name in names if name in self.names), None)

    def need(self, what: str, *names: str) -> int:
        """As :meth:`place`; raises :class:`StudioError` where none of the names occurs."""
        found = self.place(*names)
        if found is None:
            wanted = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
            self.file.fail(f"no column with the {what}", f"it is looked for as {wanted}; there are {self._shown()}", 1)
        return found

    def batches(self, places: Sequence[int | None]) -> Iterator[Columns]:
        """The cells of these columns, batch by batch; "" for ``None``.

        Raises:
            StudioError: a row has too few cells or a quote is never closed; names the line.
        """
        texts = self._texts()
        if self.headed:
            next(texts, None)
        number, size = 1 + self.headed, len(self.names)
        rows = self._split(texts)
        while True:
            try:
                batch = list(islice(rows, BATCH))
            except csv.Error as error:
                self.file.fail(f"not valid CSV ({error})", "check its quotes, or fetch it anew: it may be cut off")
            if not batch:
                return
            if any(len(row) != size for row in batch):
                batch, found = self._mended(batch, number, places), len(batch)
            else:
                found = len(batch)
            number += found
            cells = list(zip(*batch, strict=True))
            empty = ("",) * len(batch)
            yield [empty if place is None else cells[place] for place in places] if batch else [() for _ in places]

    def rows(self, places: Sequence[int | None]) -> Iterator[tuple[str, ...]]:
        """As :meth:`batches`, row by row."""
        return chain.from_iterable(zip(*columns, strict=True) for columns in self.batches(places))

    def _shown(self) -> str:
        return ", ".join(self.names[:12]) + (", …" if len(self.names) > 12 else "")

    def _texts(self) -> Iterator[str]:
        lines = self.file.lines(self.monitor)
        for line in islice(lines, 1):
            if line.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in line:
                self.file.fail("not UTF-8 text", "save the file as UTF-8")
            yield text_of(line.removeprefix(b"\xef\xbb\xbf"))
        yield from map(text_of, lines)

    def _split(self, texts: Iterator[str]) -> Iterator[list[str]]:
        if self.separator == ",":
            return csv.reader(texts, strict=True)
        if self.separator == "\t":
            return self._tabbed(texts)
        separator = self.separator
        return (text.rstrip("\r\n").split(separator) for text in texts)

    def _tabbed(self, texts: Iterator[str]) -> Iterator[list[str]]:
        """Between tabs a quote is a quote, unless it opens and closes a cell as some libraries write it."""
        for text in texts:
            body = text.rstrip("\r\n")
            row = body.split("\t")
            if '"' in body:
                row = _unquoted(row, body, getattr(self, "names", row), texts)
            yield row

    def _mended(self, batch: list[list[str]], number: int, places: Sequence[int | None]) -> list[list[str]]:
        """Rows of another length than the first line's: empty ones go, further cells go, missing ones are faults
        unless nobody asks for them."""
        size, least = len(self.names), 1 + max(place or 0 for place in places)
        kept = []
        for line, row in enumerate(batch, number):
            if len(row) > size:
                self.long += any(row[size:])
                row = row[:size]
            elif not row or row == [""]:
                continue
            elif len(row) < size:
                if len(row) < least:
                    remedy = "correct the line; if it is the last one, the file was cut off: fetch it anew"
                    self.file.fail(f"{len(row)} cells instead of {size}", remedy, line)
                row = row + [""] * (size - len(row))
            kept.append(row)
        return kept


def _unquoted(row: list[str], body: str, names: Sequence[str], texts: Iterator[str]) -> list[str]:
    size = len(names)
    if len(row) < size and body.count('"') % 2:  # a cell that holds the end of a line
        for more in islice(texts, 20):
            body = f"{body} {more.rstrip(chr(10)).rstrip(chr(13))}"
            if not body.count('"') % 2:
                break
        row = body.split("\t")
    if len(row) != size:
        again = next(csv.reader([body], delimiter="\t"), [])
        if len(again) == size:
            return again
    return [_bare(cell) for cell in row]


def _bare(cell: str) -> str:
    """Without the quotes around it, if they are those of CSV: any within are doubled."""
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell
