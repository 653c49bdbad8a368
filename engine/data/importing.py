"""Files that somebody brings: looked at, and kept under a name. The shell and the page *Data* call the same."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from engine import datasets, encodings
from engine.config import DataConfig
from engine.config_data import parse_columns
from engine.data import imported
from engine.data.columns import ITEM_ROLES, KNOWN, LOG_ROLES, is_number, plain
from engine.data.guess import ROWS, guess_format, preview, together
from engine.data.place import Place
from engine.data.raw import Raw, RawIdFilter, RawItem
from engine.data.readers.csv import READER as OWN_TABLES
from engine.data.readers.csv import UserTable
from engine.data.readers.downloaded import Ambiguous
from engine.errors import StudioError
from engine.labels import plural
from engine.monitor import Monitor

MOST_FILES = 50
MOST_NAME = 255
MOST_COLUMNS, MOST_CELL = 200, 300
"""Columns, and characters of a cell, that are shown."""
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What is not seen and turns or breaks what stands around it."""
CODE = re.compile(r".*\.(pkl|pickle|joblib|npy|npz|pt|pth)(\.gz)?", re.IGNORECASE)
"""Files that can hold programs."""


@dataclass(frozen=True)
class FirstRows:
    """The beginning of a file, or of what is read of it."""

    file: str
    columns: tuple[str, ...]
    """Their names, or their numbers where the file does not name them."""
    roles: dict[str, str]
    """The column of each role that is known (:data:`engine.config_data.ROLES`)."""
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class FileInspection:
    """What files seem to be, by their first rows."""

    format: str
    """The data set of the registry as which they are read."""
    tables: tuple[FirstRows, ...]
    """As they stand in the files for tables of one's own, else as they are read: interactions, then items."""
    own: bool
    """The columns can be chosen."""
    encoding: str
    """In which text is read: as said, else guessed for tables of one's own that are not UTF-8."""
    categories: tuple[str, ...] = ()
    """What ``data.category`` can name where the files are several data sets and none was chosen."""
    fault: StudioError | None = None
    """Why they cannot be read like this."""


def check_files(paths: Sequence[Path], most_bytes: float) -> None:
    """Refuse what strangers should not send.

    Raises:
        StudioError: too many or too large, a name that misleads, a link, or a file that can hold a program.
    """
    if not paths:
        raise StudioError("no files", where="files", remedy="choose the files of a data set")
    if len(paths) > MOST_FILES:
        remedy = f"bring at most {MOST_FILES}, or an archive"
        raise StudioError(plural(len(paths), "file"), where="files", remedy=remedy)
    total = 0
    for path in paths:
        name = path.name
        if not name.isprintable() or len(name.encode()) > MOST_NAME or name.startswith("."):
            raise StudioError(f"{name[:60]!r} is no name for a file", where="files", remedy="rename the file")
        if CODE.fullmatch(name):
            remedy = "write the table as text, e.g. csv"
            raise StudioError("pickles and weights are not read: they can hold programs", where=name, remedy=remedy)
        if path.is_symlink() or not path.is_file():
            raise StudioError("not a file", where=name, remedy="bring the files themselves")
        total += path.stat().st_size
    if total > most_bytes:
        size = f"{total / 1e6:,.0f} of at most {most_bytes / 1e6:,.0f} MB"
        remedy = "import it in the shell: delrec data import FILES --name NAME"
        raise StudioError(f"too large: {size}", where=", ".join(path.name for path in paths[:5]), remedy=remedy)


def inspect_files(paths: Sequence[Path], form: str | None = None, config: DataConfig | None = None) -> FileInspection:
    """The first rows of files, and as what they would be read.

    Args:
        form: the data set of the registry as which they are read; guessed where it is None.
        config: settings of the reading: ``columns``, ``category``, ``encoding``; None guesses the encoding as well.

    Raises:
        StudioError: of no known format, or damaged at their very beginning.
    """
    with _together(paths) as path:
        settings = config or DataConfig()
        chosen = form or guess_format(path, settings)
        if config is None and chosen == OWN_TABLES.name and (text := _guessed_encoding(path)):
            settings = settings.model_copy(update={"encoding": text})
        config = settings.model_copy(update={"dataset": chosen, "path": str(path)})
        if chosen != OWN_TABLES.name:
            fault = None
            several: tuple[str, ...] = ()
            tables: list[FirstRows] = []
            try:
                tables = _as_read(path, chosen, config)
            except StudioError as error:
                fault = _nearer(error, path)
                several = error.choices if isinstance(error, Ambiguous) else ()
            return FileInspection(chosen, tuple(tables), False, config.encoding, several, fault)
        place = Place(path, config.encoding)
        found: list[FirstRows] = []
        try:
            found = [_as_written(table) for table in OWN_TABLES.tables(place, config)]
            fault = None if OWN_TABLES.find(place, config) else place.lacks(OWN_TABLES.title, OWN_TABLES.files)
        except StudioError as error:
            fault = _nearer(error, path)
        return FileInspection(chosen, tuple(found), True, config.encoding, (), fault)


@contextlib.contextmanager
def read_together(
    paths: Sequence[Path], form: str | None, config: DataConfig, monitor: Monitor
) -> Iterator[tuple[Raw, DataConfig]]:
    """Files as they were read, with the settings that read them; items are there for as long as the context lasts.

    Raises:
        StudioError: of no known format, unreadable or damaged.
        Cancelled: the monitor asked to stop.
    """
    with _together(paths) as path:
        chosen = form or guess_format(path, config)
        reader = datasets.reader(chosen)
        monitor.message(f"read as {chosen} ({reader.title})")
        config = config.model_copy(update={"dataset": chosen, "path": str(path)})
        raw = reader.read(config, 0, monitor)
        part = f"{config.category} of " if config.category else ""
        yield replace(raw, source=part + ", ".join(path.name for path in paths)), config


def import_files(
    paths: Sequence[Path], name: str, form: str | None, config: DataConfig, monitor: Monitor
) -> imported.ImportedDataset:
    """Keep files under a name that ``data.dataset`` then takes.

    Args:
        form: the data set of the registry as which they are read; guessed where it is None.
        config: settings of the reading: ``columns``, ``category``, ``encoding``.

    Raises:
        StudioError: the name is taken or will not do; files of no known format, unreadable or damaged.
        Cancelled: the monitor asked to stop; nothing is left behind.
    """
    imported.free(name)
    with read_together(paths, form, config, monitor) as (raw, read):
        return imported.save(raw, name, read.dataset, monitor)


def _guessed_encoding(path: Path) -> str | None:
    """Of the first table that is not UTF-8; None where all are, or nothing fits."""
    files = OWN_TABLES.files_in(Place(path))
    guesses = (file.guessed_encoding() for file in files)
    return next((guess for guess in guesses if guess not in (None, encodings.UTF8)), None)


@contextlib.contextmanager
def _together(paths: Sequence[Path]) -> Iterator[Path]:
    """As :func:`engine.data.guess.together`; faults are told without the folder in which they stand for a while."""
    with together(paths) as path:
        try:
            yield path
        except StudioError as error:
            raise _nearer(error, path) from None


def _nearer(error: StudioError, path: Path) -> StudioError:
    folder = path if path.is_dir() else path.parent
    what, where, remedy = (
        text.replace(f"{folder}/", "").replace(f"data.path={folder}", "the files").replace(str(folder), "the files")
        for text in (error.what, error.where, error.remedy)
    )
    return StudioError(what, where=where, remedy=remedy)


def _as_written(table: UserTable) -> FirstRows:
    """The first cells as they stand in the file, whatever comes after them."""
    nameless = table.headed and not {plain(name) for name in table.names} & KNOWN and any(map(is_number, table.names))
    names = tuple(str(place) for place in range(1, len(table.names) + 1)) if nameless else table.names
    cells: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        cells += islice(table.sheet(Monitor()).first_rows(), ROWS + 1)
    first = cells[: ROWS + 1] if nameless or not table.headed else cells[1:]
    roles = {} if nameless else {role: names[place] for role, place in table.places}
    return FirstRows(table.name, names[:MOST_COLUMNS], roles, tuple(map(_cut, first[:ROWS])))


def _as_read(path: Path, form: str, config: DataConfig) -> list[FirstRows]:
    if form == "ml-100k":  # small, and of another kind than the others
        raw = datasets.reader(form).read(config, 0, Monitor())
        log = raw.log
        first = [
            (log.user_ids[log.users[row]], log.item_ids[log.items[row]], str(log.times[row])) for row in range(ROWS)
        ]
        return _tables(["interactions", "items"], first, list(islice(raw.items(RawIdFilter(None), Monitor()), ROWS)))
    found = preview(path, form, config, ROWS)
    return _tables([Path(name).name for name in found.files], found.interactions, found.items)


def _tables(files: Sequence[str], log: Sequence[tuple[str, str, str]], items: Sequence[RawItem]) -> list[FirstRows]:
    tables = [FirstRows(files[0], LOG_ROLES, {role: role for role in LOG_ROLES}, tuple(map(_cut, log)))]
    if items:
        columns = ITEM_ROLES[:-1]
        shown = [
            (item.raw, item.title, "" if item.year is None else str(item.year), ", ".join(item.genres), item.brand)
            for item in items
        ]
        tables.append(FirstRows(files[-1], columns, {role: role for role in columns}, tuple(map(_cut, shown))))
    return tables


def _cut(cells: Sequence[str]) -> tuple[str, ...]:
    shown = (UNSEEN.sub("\ufffd", cell[: MOST_CELL + 1]) for cell in cells[:MOST_COLUMNS])
    return tuple(cell if len(cell) <= MOST_CELL else f"{cell[:MOST_CELL]}…" for cell in shown)


def columns_of(chosen: dict[str, str]) -> str | None:
    """``data.columns`` that says these columns by role; None for none. Raises :class:`StudioError` for no such role."""
    parts = [f"{role}={name}" for role, name in chosen.items()]
    text = ",".join(f'"{part.replace(chr(34), chr(34) * 2)}"' if {",", '"'} & set(part) else part for part in parts)
    try:
        parse_columns(text)
    except ValueError as error:
        raise StudioError(str(error), where="data.columns") from None
    return text or None
