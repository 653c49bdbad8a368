"""Anybody's own tables: one of interactions and one of items, or one with both, whatever their columns are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from engine.config import DataConfig
from engine.config_data import parse_columns
from engine.data.columns import ITEM_ROLES, KNOWN, LOG_ROLES, NONE, is_number, place_of, plain, roles, unit_of
from engine.data.delimited import OwnSheet
from engine.data.files import File
from engine.data.place import Place
from engine.data.raw import Log, LogBuilder, Raw, RawIdFilter, RawItem
from engine.data.readers.downloaded import Ambiguous, Downloaded, Files
from engine.data.timestamps import TimestampColumn
from engine.data.title_parsing import clean, plain_id, title_and_year, year_of
from engine.errors import StudioError
from engine.labels import plural
from engine.monitor import Monitor

ENDINGS = "csv|tsv|tab|psv|txt|dat"
LOG, ITEMS = rf"interactions\.({ENDINGS})", rf"items\.({ENDINGS})"
"""Names that are taken before others."""
MOST_TABLES = 20
"""Tables whose columns are looked at."""
MOST_ID = 500
"""Longest id, in characters."""


@dataclass(frozen=True)
class UserTable(File):
    """A file whose columns are known."""

    names: tuple[str, ...] = ()
    """As the file writes them, or their numbers where it does not name them."""
    places: tuple[tuple[str, int], ...] = ()
    """Of each role."""
    known: frozenset[str] = KNOWN
    """By which its separator is recognised."""
    headed: bool = True
    unclear: str = ""
    """A column of some role of whose name there are several."""

    @property
    def file(self) -> File:
        """Itself, without columns."""
        return File(self.path, self.member, self.encoding)

    @property
    def role(self) -> Mapping[str, int]:
        return dict(self.places)

    def has(self, name: str) -> bool:
        """Whether there is such a column, as ``data.columns`` says it."""
        return place_of(self.names, name) is not None

    def sheet(self, monitor: Monitor) -> OwnSheet:
        return OwnSheet(self, monitor, self.known, headed=self.headed)

    def columns_text(self, roles: Sequence[str]) -> str:
        """``"items.csv: item=sku, title=name"``; nothing where all columns are called just so."""
        columns = [f"{role}={self.names[at]}" for role, at in self.places if role in roles]
        renamed = any(self.names[at].lower() != role for role, at in self.places if role in roles)
        return f"{self.name}: {', '.join(columns)}" if renamed else ""


class OwnTables(Downloaded):
    name = "csv"
    title = "your own tables"
    licence = "yours"
    about = "a table of interactions (user, item, timestamp) and one of items (item, title), or one with both"
    files = "interactions.csv and items.csv, or any tables with such columns"
    domain = "item"
    fetchable = False
    as_written = True

    def find(self, place: Place, config: DataConfig) -> Files | None:
        """
        Raises:
            StudioError: several tables may be meant, or columns cannot be guessed; lists those that there are.
        """
        assigned, tables = parse_columns(config.columns), self.tables(place, config)
        if not tables:
            return None
        absent = {role for role, name in assigned.items() if name != NONE and not any(t.has(name) for t in tables)}
        if absent:
            _ask(tables[0], [role for role in assigned if role in absent], assigned, absent=True)
        log = _only([table for table in tables if {"user", "item"} <= table.role.keys()], place, LOG)
        if log is None or ("timestamp" not in log.role and assigned.get("timestamp") != NONE):
            _ask(log or max(tables, key=_like_a_log), LOG_ROLES, assigned)
        lists = [table for table in tables if {"item", "title"} <= table.role.keys() and "user" not in table.role]
        both = "title" in log.role or assigned.get("title") == NONE
        items = log if both and (log.file == place.chosen or not lists) else _only(lists, place, ITEMS)
        if items is None:
            others = [table for table in tables if table != log and "user" not in table.role]
            _ask((*others, log)[0], ITEM_ROLES[:2], assigned)
        for table in (log, items):
            if table.unclear:
                remedy = "name them differently, or, where they differ, the right one in data.columns"
                table.fail(f"several columns are called {table.unclear}", remedy, 1)
        return Files([log], items)

    def tables(self, place: Place, config: DataConfig) -> list[UserTable]:
        """Everything that may be a table. Raises :class:`StudioError` for one that cannot be read."""
        return [table_of(file, parse_columns(config.columns)) for file in self.files_in(place)]

    def files_in(self, place: Place) -> list[File]:
        """Those that may be tables, by their names."""
        files = [file for file in (place.chosen, *place.find(LOG, ITEMS, rf".+\.({ENDINGS})")) if file]
        return list(dict.fromkeys(files[: MOST_TABLES + 2]))

    def read(self, config: DataConfig, seed: int, monitor: Monitor) -> Raw:
        raw = super().read(config, seed, monitor)
        files = self.located(config)
        log, items = files.log[0], files.items
        assert isinstance(log, UserTable)
        assert isinstance(items, UserTable)
        _check_ids(raw.log, log, monitor)
        columns = filter(None, (log.columns_text(LOG_ROLES), items.columns_text(ITEM_ROLES)))
        return replace(raw, log=_with_plain_ids(raw.log), notes=(*columns, *raw.notes))

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        (table,) = files
        assert isinstance(table, UserTable)
        sheet, when = table.sheet(monitor), table.role.get("timestamp")
        if when is not None:
            log.times = TimestampColumn(unit_of(table.names[when]), str(table), table.names[when], sheet.line_of)
        for batch in sheet.log(table.role["user"], table.role["item"], when):
            log.add(*batch)
        return ()

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        assert isinstance(file, UserTable)
        sheet = file.sheet(monitor)
        met: dict[str, str] = {}
        again = other = 0
        for row, count, cells in sheet.distinct([file.role.get(role) for role in ITEM_ROLES]):
            written, title, year, genres, brand, aliases = cells
            raw = plain_id(written)
            if raw in met:
                again, other = again + count, other + count * (met[raw] != title)
            elif raw and raw not in id_filter:
                id_filter.passed += count - 1
            elif raw:
                met[raw] = title
                again += count - 1
                try:
                    shown, when = title_and_year(clean(title), year_of(clean(year)))
                except ValueError:
                    remedy = "write it as 1999, leave the cell empty, or set data.columns=year=- to read no years"
                    sheet.fail_at(f"{year!r} is not a year", remedy, sheet.line_of(row), file.role["year"])
                yield RawItem(raw, shown if "title" in file.role else raw, when, _parts(genres), brand, _parts(aliases))
        if other if "user" in file.role else again:
            what = f"{other:,} with another title" if other else "with the same title"
            monitor.message(
                f"Warning: {file.name} lists an item again in {plural(again, 'row')}, {what}; the first counts"
            )


def table_of(file: File, assigned: Mapping[str, str]) -> UserTable:
    """A file with the meaning of its columns, as far as it can be told.

    Without names in the first line ``assigned`` must give the places of columns, from 1.

    Raises:
        StudioError: the file cannot be read.
    """
    known = KNOWN | {plain(name) for part in assigned.values() for name in part.split("|") if not name.isdecimal()}
    names = OwnSheet(file, Monitor(), known).shown
    numbered = bool(assigned) and all(part.isdecimal() or part == NONE for part in assigned.values())
    headed = not numbered or bool({*map(plain, names)} & KNOWN) or not any(map(is_number, names))
    if not headed:
        names = [str(number) for number in range(1, len(names) + 1)]
    places = roles(names, assigned)
    bare = [plain(name) for name in names]
    # One that was said by its name is the one with just that name; guessed are names that are much alike too.
    unclear = (
        names[at]
        for role, at in places.items()
        if headed and (names.count(names[at]) > 1 or (role not in assigned and bare.count(bare[at]) > 1))
    )
    columns = (tuple(names), tuple(places.items()), frozenset(known), headed, next(unclear, ""))
    return UserTable(file.path, file.member, file.encoding, *columns)


def _only(tables: Sequence[UserTable], place: Place, usual: str) -> UserTable | None:
    """The one that was named, or that has a usual name, or that is the only one."""
    usually = place.find(usual)
    first = [table for table in tables if table.file == place.chosen]
    first = first or [table for table in tables if table.file in usually[:1]] or list(tables)
    if len(first) > 1:
        raise Ambiguous(
            f"several tables may be meant: {', '.join(table.name for table in first)}",
            where=f"data.path={place.path}",
            remedy="set data.path to one file, or to a folder without the others",
        )
    return first[0] if first else None


def _like_a_log(table: UserTable) -> tuple[int, bool]:
    """How much a table whose columns are not all known looks like interactions."""
    return sum(role in table.role for role in LOG_ROLES), "title" not in table.role


def _ask(table: UserTable, roles: Sequence[str], assigned: Mapping[str, str], *, absent: bool = False) -> NoReturn:
    """Raise because columns cannot be guessed, or are said and ``absent``."""
    lacking = [role for role in roles if role not in table.role and assigned.get(role) != NONE] or list(roles)
    names = ", ".join(name for name in table.names[:30] if name) or "none"
    if absent:
        what = f"no column {', '.join(f'{role}={assigned[role]}' for role in lacking)}"
    else:
        what = f"which column is the {' and the '.join(lacking)}?"
    example = ",".join(
        f"{role}={assigned[role]}|…" if role in assigned and not absent else f"{role}=…" for role in lacking
    )
    rows = "; timestamp=- takes the order of the rows for that of time" if "timestamp" in lacking else ""
    remedy = f"set data.columns={example}; there are: {names}{rows}"
    raise StudioError(what, where=f"{table}, line 1", remedy=remedy)


def _check_ids(log: Log, table: UserTable, monitor: Monitor) -> None:
    for role, ids, coded in (("user", log.user_ids, log.users), ("item", log.item_ids, log.items)):
        for code, raw in enumerate(ids):
            if len(raw) > MOST_ID:
                sheet = table.sheet(monitor)
                line = sheet.line_of(int(np.argmax(coded == code)))
                sheet.fail_at(f"longer than {MOST_ID} characters", "shorten it", line, table.role[role])


def _with_plain_ids(log: Log) -> Log:
    """Ids of items as :func:`engine.data.title_parsing.plain_id` writes them, some of which may be one then."""
    codes: dict[str, int] = {}
    code_of = np.array([codes.setdefault(plain_id(raw), len(codes)) for raw in log.item_ids], np.int32)
    return replace(log, user_ids=_apart(log.user_ids), item_ids=tuple(codes), items=code_of[log.items])


def _apart(written: Sequence[str]) -> tuple[str, ...]:
    """Ids by what stands in the file; blanks around those that would become one with another id are spelled out."""
    ids = list(map(plain_id, written))
    shared = Counter(ids)
    return tuple(
        "".join(f"<U+{ord(char):04X}>" if char.isspace() else char for char in raw)
        if shared[name] > 1 and name and raw != raw.strip()
        else name
        for raw, name in zip(written, ids, strict=True)
    )


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part for part in map(clean, cell.split("|")) if part)


READER = OwnTables()
