"""Columns of a piece of a table by Arrow, where it reads what the csv module would read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.data.raw import LogBatch

if TYPE_CHECKING:
    import pyarrow

_HEXADECIMAL = re.compile(rb"[^0-9A-Za-z]0[xX]")
"""What Arrow takes for a number and nobody writes for a time."""

Distinct = list[tuple[int, int, tuple[str, ...]]]
"""Rows of which the first two columns occur for the first time: place in the piece, how many are so, and cells."""


class ArrowReader:
    """Reads pieces of whole lines.

    Args:
        columns: how many there are.
        quoted: cells may be quoted as in CSV. Between tabs, where a quote may be one, pieces without quotes are read.
    """

    def __init__(self, separator: str, columns: int, *, quoted: bool) -> None:
        self.separator, self.quoted = separator, quoted
        self.names = [str(place) for place in range(columns)]

    def table(self, block: bytes, kinds: Mapping[int, pyarrow.DataType]) -> pyarrow.Table | None:
        """The columns of these places, called by their numbers, in the order of ``kinds``; ``None`` for a piece with
        rows of another length, or with something else that is to be looked at."""
        import pyarrow
        from pyarrow import csv

        separator, quotes = self.separator, False
        if len(separator) > 1:
            if b"\t" in block:
                return None
            block, separator = block.replace(separator.encode(), b"\t"), "\t"
        elif b'"' in block:
            if not self.quoted or not _are_simple_quotes(block, separator):
                return None
            quotes = True
        named = {str(place): kind for place, kind in kinds.items()}
        try:
            return csv.read_csv(
                pyarrow.BufferReader(block),
                read_options=csv.ReadOptions(column_names=self.names, block_size=len(block) + 1, use_threads=False),
                parse_options=csv.ParseOptions(delimiter=separator, quote_char='"' if quotes else False),
                convert_options=csv.ConvertOptions(
                    include_columns=list(named),
                    column_types=named,
                    null_values=[],
                    strings_can_be_null=False,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pyarrow.ArrowInvalid:
            return None

    def distinct(self, block: bytes, places: Sequence[int | None]) -> tuple[int, Distinct] | None:
        """How many rows a piece has, and the first of each pair of the first two columns; "" for ``None``."""
        table = self.table(block, {place: _text() for place in places if place is not None})
        if table is None:
            return None
        cells = [None if place is None else table.column(str(place)).combine_chunks() for place in places]
        pairs = np.zeros(len(table), np.int64)
        for column in cells[:2]:
            if column is not None:
                pairs = pairs * len(column.dictionary) + column.indices.to_numpy()
        _, first, counts = np.unique(pairs, return_index=True, return_counts=True)
        order = np.argsort(first)
        first = first[order]
        counted = [
            [""] * len(first) if column is None else column.take(first).dictionary_decode().to_pylist()
            for column in cells
        ]
        rows = zip(first.tolist(), counts[order].tolist(), zip(*counted, strict=True), strict=True)
        return len(table), list(rows)


class ArrowLogReader:
    """Users, items and, where ``time`` is a place, times: as numbers for as long as they are whole ones."""

    def __init__(self, fast: ArrowReader, user: int, item: int, time: int | None) -> None:
        self.fast, self.user, self.item, self.time = fast, user, item, time
        self.whole = True

    def read(self, block: bytes) -> LogBatch | None:
        """``None`` as of :meth:`ArrowReader.table`."""
        import pyarrow

        kinds = {self.user: _text(), self.item: _text()}
        if self.time is None:
            table = self.fast.table(block, kinds)
        else:
            table = None
            whole = self.whole and not ((b"0x" in block or b"0X" in block) and _HEXADECIMAL.search(block))
            if whole:
                table = self.fast.table(block, kinds | {self.time: pyarrow.int64()})
            if table is None:
                whole = False
                table = self.fast.table(block, kinds | {self.time: pyarrow.string()})
            self.whole = whole or (self.whole and table is None)
        if table is None:
            return None
        users, items = (table.column(str(place)).combine_chunks() for place in (self.user, self.item))
        if self.time is None:
            return users, items, None
        times = table.column(str(self.time))
        return users, items, times.to_numpy() if self.whole else times.to_pylist()


def _text() -> pyarrow.DataType:
    import pyarrow

    return pyarrow.dictionary(pyarrow.int32(), pyarrow.string())


def _are_simple_quotes(block: bytes, separator: str) -> bool:
    """Whether every quote opens or closes a whole cell or is one of two within such a cell, and none spans lines."""
    letters = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    quotes = np.flatnonzero(letters == ord('"'))
    if len(quotes) % 2 or (np.searchsorted(quotes, np.flatnonzero(letters == ord("\n"))) % 2).any():
        return False
    edges = np.frombuffer(f'{separator}\r\n"'.encode(), np.uint8)
    return bool(np.isin(letters[quotes[::2] - 1], edges).all() and np.isin(letters[quotes[1::2] + 1], edges).all())
