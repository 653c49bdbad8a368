"""One's own data: ``interactions.csv`` and ``items.csv``, read strictly and written for the cache.

``interactions.csv``: columns user, item, timestamp. ``items.csv``: item, title and optionally year, genres and aliases
(several joined by ``|``). UTF-8 with a header, separated by commas, semicolons, tabs or bars; further columns are
ignored. Titles are taken as written, save that a year in parentheses at a title's end becomes its year. Timestamps: see
:mod:`engine.data.times`; in a column ``timestamp_s``, ``_ms``, ``_us`` or ``_ns`` they are numbers of that unit.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np

from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.delimited import Table
from engine.data.moments import PER_SECOND, Moments, Unit
from engine.data.naming import clean, plain_id, shows_nothing, title_and_year, year_of
from engine.errors import StudioError
from engine.monitor import Monitor

INTERACTIONS = "interactions.csv"
ITEMS = "items.csv"
TIME = "timestamp"
MAX_ID = 500
"""Longest id, in characters."""


def read_tables(folder: Path, monitor: Monitor) -> tuple[Catalogue, Interactions]:
    """Read both files of ``folder``.

    Raises:
        StudioError: a file or column is missing, or a cell is not usable; names file, line and column.
    """
    for name in (ITEMS, INTERACTIONS):
        if not (folder / name).exists():
            remedy = f"the folder needs {INTERACTIONS} and {ITEMS}"
            raise StudioError(f"{name} is missing", where=str(folder), remedy=remedy)
    catalogue = _read_items(folder / ITEMS)
    return catalogue, _read_interactions(folder / INTERACTIONS, catalogue, monitor)


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
        writer.writerow(("user", "item", f"{TIME}_{log.unit}"))
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
    columns = ("item", "title", "year", "genres", "aliases")
    table = Table(path, columns)
    _require(table, "item", "title")
    for cells in table.rows([name if name in table.header else None for name in columns]):
        raw, title, year = _id(table, cells[0], "item"), clean(cells[1]), clean(cells[2])
        if raw in ids:
            table.fail(f"item {raw!r} is listed twice", "item", "keep one line per item")
        if shows_nothing(title):
            table.fail("empty cell", "title", "fill it in or remove the line")
        ids[raw] = len(ids)
        try:
            shown, when = title_and_year(title, year_of(year))
        except ValueError:
            table.fail(f"{year!r} is not a year", "year", "write it as 1999, or leave the cell empty")
        titles.append(shown)
        years.append(when)
        genres.append(_parts(cells[3]))
        aliases.append(_parts(cells[4]))
    if not ids:
        raise StudioError("no items", where=str(path), remedy="add a line per item: item,title")
    return Catalogue(tuple(titles), tuple(years), tuple(genres), tuple(ids), tuple(aliases))


def _read_interactions(path: Path, catalogue: Catalogue, monitor: Monitor) -> Interactions:
    index = {raw: item for item, raw in enumerate(catalogue.raw_ids)}
    names: dict[str, str] = {}
    users: list[str] = []
    items: list[int] = []
    units: dict[str, Unit] = {f"{TIME}_{unit}": unit for unit in PER_SECOND}
    table = Table(path, ("user", "item", TIME, *units))
    when = next((name for name in units if name in table.header), TIME)
    _require(table, "user", "item", when)
    moments: list[str] = []
    lines: list[int] = []
    for user, raw, moment in table.rows(["user", "item", when]):
        item = index.get(raw)
        if item is None and (item := index.get(_id(table, raw, "item"))) is None:
            table.fail(f"item {raw!r} is not in {ITEMS}", "item", f"add it to {ITEMS} or remove the line")
        if user not in names:
            names[user] = _id(table, user, "user")
        users.append(user)
        items.append(item)
        moments.append(moment)
        lines.append(table.line)
    times = Moments(units.get(when), str(path), when, lines.__getitem__)
    times.add(moments)
    decided = times.decide()
    monitor.message(f"Times of {path.name}: {decided.said}")
    names = _apart(names)
    return Interactions([names[user] for user in users], np.array(items, np.int64), decided.values, decided.unit)


def _require(table: Table, *columns: str) -> None:
    if missing := [name for name in columns if name not in table.header]:
        found = ", ".join(name for name in table.header if name) or "nothing"
        remedy = f"the first line names the columns, e.g. {','.join(columns)}; it has {found}"
        raise StudioError(f"no column {', '.join(missing)}", where=f"{table.path}, line 1", remedy=remedy)


def _id(table: Table, cell: str, column: str) -> str:
    text = plain_id(cell)
    if not text:
        table.fail("empty cell", column, "fill it in or remove the line")
    if len(text) > MAX_ID:
        table.fail(f"longer than {MAX_ID} characters", column, "shorten it")
    return text


def _apart(names: dict[str, str]) -> dict[str, str]:
    """Ids by what stands in the file; blanks around those that would become one with another id are spelled out."""
    shared = Counter(names.values())
    return {
        written: name
        if shared[name] == 1 or written == written.strip()
        else "".join(f"<U+{ord(char):04X}>" if char.isspace() else char for char in written)
        for written, name in names.items()
    }


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part for part in map(clean, cell.split("|")) if part)
