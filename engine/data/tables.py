"""One's own data: ``interactions.csv`` and ``items.csv``, read strictly and written for the cache.

``interactions.csv``: columns user, item, timestamp. ``items.csv``: item, title and optionally year, genres and aliases
(several joined by ``|``). Comma-separated UTF-8 with a header; further columns are ignored. Titles are taken as
written; without a year column a year in parentheses at a title's end becomes its year. Timestamps are whole numbers,
or dates such as 2024-05-01 or 2024-05-01T20:15:00.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import numpy as np

from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.naming import clean, split_year
from engine.errors import StudioError

INTERACTIONS = "interactions.csv"
ITEMS = "items.csv"
MAX_TEXT = 500
"""Longest id or title, in characters."""


def read_tables(folder: Path) -> tuple[Catalogue, Interactions]:
    """Read both files of ``folder``.

    Raises:
        StudioError: a file or column is missing, or a cell is not usable; names file, line and column.
    """
    catalogue = _read_items(folder / ITEMS)
    return catalogue, _read_interactions(folder / INTERACTIONS, catalogue)


def write_tables(folder: Path, catalogue: Catalogue, log: Interactions) -> None:
    """Write what :func:`read_tables` reads back to equal objects."""
    with (folder / ITEMS).open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("item", "title", "year", "genres", "aliases"))
        for raw, title, year, genres, aliases in zip(
            catalogue.raw_ids, catalogue.titles, catalogue.years, catalogue.genres, catalogue.aliases, strict=True
        ):
            writer.writerow((raw, title, year or "", "|".join(genres), "|".join(aliases)))
    with (folder / INTERACTIONS).open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("user", "item", "timestamp"))
        raw_ids = catalogue.raw_ids
        writer.writerows(
            (user, raw_ids[item], moment)
            for user, item, moment in zip(log.users, log.items.tolist(), log.timestamps.tolist(), strict=True)
        )


def _read_items(path: Path) -> Catalogue:
    titles: list[str] = []
    years: list[int | None] = []
    genres: list[tuple[str, ...]] = []
    aliases: list[tuple[str, ...]] = []
    ids: dict[str, int] = {}
    table = _Table(path, required=("item", "title"), optional=("year", "genres", "aliases"))
    for raw, title, year, kinds, others in table:
        if raw in ids:
            table.fail(f"item {raw!r} is listed twice", "item", "keep one line per item")
        if not raw or not title:
            table.fail("empty cell", "title" if raw else "item", "fill it in or remove the line")
        ids[raw] = len(ids)
        shown, own_year = (title, None) if table.has("year") else split_year(title)
        titles.append(shown)
        years.append(_year(table, year) if year else own_year)
        genres.append(_parts(kinds))
        aliases.append(_parts(others))
    if not ids:
        raise StudioError("no items", where=str(path), remedy="add a line per item: item,title")
    return Catalogue(tuple(titles), tuple(years), tuple(genres), tuple(ids), tuple(aliases))


def _read_interactions(path: Path, catalogue: Catalogue) -> Interactions:
    index = {raw: item for item, raw in enumerate(catalogue.raw_ids)}
    users: list[str] = []
    items: list[int] = []
    moments: list[int] = []
    table = _Table(path, required=("user", "item", "timestamp"))
    for user, raw, moment in table:
        if not user:
            table.fail("empty cell", "user", "fill it in or remove the line")
        item = index.get(raw)
        if item is None:
            table.fail(f"item {raw!r} is not in {ITEMS}", "item", f"add it to {ITEMS} or remove the line")
        users.append(user)
        items.append(item)
        moments.append(_moment(table, moment))
    return Interactions(users, np.array(items, np.int64), np.array(moments, np.int64))


class _Table:
    """Rows of a CSV file as tuples of cleaned cells, in the order of the columns asked for; missing optional ones
    are empty."""

    def __init__(self, path: Path, *, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        self.path, self.required, self.optional = path, required, optional
        self.line = 1
        self.header: list[str] = []

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as handle:
                rows = csv.reader(handle, strict=True)
                self._read_header(next(rows, []))
                columns = [self.header.index(name) if self.has(name) else -1 for name in self._wanted]
                for row in rows:
                    self.line = rows.line_num
                    if row:
                        yield self._cells(row, columns)
        except FileNotFoundError:
            remedy = f"the folder needs {INTERACTIONS} and {ITEMS}"
            raise StudioError(f"{self.path.name} is missing", where=str(self.path.parent), remedy=remedy) from None
        except UnicodeDecodeError:
            raise StudioError("not UTF-8 text", where=str(self.path), remedy="save the file as UTF-8") from None
        except csv.Error as error:
            self.fail(f"not valid CSV: {error}", "", "check the quotes and commas")
        except OSError as error:
            reason = error.strerror or str(error)
            raise StudioError(f"cannot be read: {reason}", where=str(self.path), remedy="check the file") from None

    def has(self, column: str) -> bool:
        return column in self.header

    def fail(self, what: str, column: str, remedy: str) -> NoReturn:
        """Raise for the line just read."""
        place = f"{self.path}, line {self.line}" + (f", column {column}" if column else "")
        raise StudioError(what, where=place, remedy=remedy)

    @property
    def _wanted(self) -> tuple[str, ...]:
        return (*self.required, *self.optional)

    def _read_header(self, names: Sequence[str]) -> None:
        self.header = [clean(name).lower() for name in names]
        if missing := [name for name in self.required if name not in self.header]:
            first = ",".join(self._wanted)
            self.fail(f"no column {', '.join(missing)}", "", f"the first line names the columns, e.g. {first}")

    def _cells(self, row: Sequence[str], columns: Sequence[int]) -> tuple[str, ...]:
        if len(row) != len(self.header):
            found = f"{len(row)} cells instead of {len(self.header)}"
            self.fail(found, "", "put cells that contain commas in double quotes")
        for cell, name in zip(row, self.header, strict=True):
            if len(cell) > MAX_TEXT and name in self._wanted:
                self.fail(f"longer than {MAX_TEXT} characters", name, "shorten it")
        return tuple(clean(row[column]) if column >= 0 else "" for column in columns)


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|") if part.strip())


def _year(table: _Table, cell: str) -> int:
    if not (cell.isascii() and cell.isdecimal() and len(cell) <= 4):
        table.fail(f"{cell!r} is not a year", "year", "write it as 1999, or leave the cell empty")
    return int(cell)


def _moment(table: _Table, cell: str) -> int:
    try:
        value = int(cell)
    except ValueError:
        try:
            date = datetime.fromisoformat(cell)
            value = int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            table.fail(f"{cell!r} is not a timestamp", "timestamp", "write seconds since 1970, or a date as 2024-05-01")
    if not -(2**63) <= value < 2**63:
        table.fail(f"{cell!r} is too large for a timestamp", "timestamp", "write seconds since 1970")
    return value
