"""Files that somebody brings: which format they are in, and what their first rows say."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from engine import datasets
from engine.config import DataConfig
from engine.data.place import Place
from engine.data.raw import Ids, LogBuilder, RawIdFilter, RawItem
from engine.data.readers.csv import ENDINGS
from engine.data.readers.csv import READER as OWN_TABLES
from engine.data.readers.downloaded import Ambiguous, AnotherSet, Downloaded
from engine.errors import StudioError
from engine.monitor import Monitor

FORMATS = tuple(
    name for name in datasets.READERS if name not in ("ml-100k", "beauty", "home-and-kitchen", "csv", "synthetic")
)
"""Tried in this order, before ml-100k and csv: names of files, fields of records and columns tell them apart. Two of
the paper's data sets come in the formats of others."""
ROWS = 5


@dataclass(frozen=True)
class DataPreview:
    """The first rows of files, as they would be read."""

    format: str
    files: tuple[str, ...]
    """The files that are read, interactions first."""
    interactions: tuple[tuple[str, str, str], ...]
    """User, item, and time as written."""
    items: tuple[RawItem, ...]


@contextlib.contextmanager
def together(paths: Sequence[Path]) -> Iterator[Path]:
    """One path for several files: themselves if it is one, else a folder for a while with links to them.

    Raises:
        StudioError: one is not there, or two have the same name.
    """
    for path in paths:
        if not path.exists():
            raise StudioError(f"there is no {path}", where=str(path), remedy="name existing files")
    if len(paths) == 1:
        yield paths[0]
        return
    if len({path.name for path in paths}) < len(paths):
        twice = next(path.name for path in paths if sum(path.name == other.name for other in paths) > 1)
        remedy = "bring the files of one data set, or an archive of its folder"
        raise StudioError("two files have the same name", where=twice, remedy=remedy)
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        for path in paths:
            link = Path(folder) / path.name
            try:
                link.symlink_to(path.absolute())
            except OSError:  # where links are not allowed
                shutil.copy(path, link)
        yield Path(folder)


def guess_format(path: Path, config: DataConfig | None = None) -> str:
    """The data set of the registry as which files can be read; ``data.dataset`` takes it.

    Raises:
        StudioError: they are of no known format; says what is known.
    """
    config = config or DataConfig()
    place = Place(path, config.encoding)
    config = config.model_copy(update={"path": str(path)})
    faulty = lacking = None
    for name in FORMATS:
        try:
            if _reader(name).find(place, config) is None:
                continue
        except Ambiguous:
            return name
        except AnotherSet:
            continue
        except StudioError as error:
            lacking = lacking or (error if _reader(name).holds_some(place) else None)
            continue
        faulty = faulty or name
        with contextlib.suppress(StudioError):
            preview(path, name, config, rows=1)
            return name
    if faulty is not None:
        return OWN_TABLES.name if _are_tables(place, config) else faulty
    if place.find(r"u\.data", r"ml-100k\.zip", r"ml-100k\.inter"):
        return "ml-100k"
    if place.find(rf".+\.({ENDINGS})"):
        return OWN_TABLES.name
    if fault := lacking or place.packed_otherwise():
        raise fault
    here = ", ".join(file.name for file in place.files[:5]) or "nothing"
    near = _nearest(place)
    raise StudioError(
        f"not all files of {near}: {here}" if near else f"no known format: {here}",
        where=str(path),
        remedy=f"{near} is {_reader(near).files}"
        if near
        else f"bring all files of one of {', '.join(FORMATS)}, or tables of your own (csv)",
    )


def _are_tables(place: Place, config: DataConfig) -> bool:
    """Whether somebody's own tables only have such names: all have columns."""
    with contextlib.suppress(StudioError):
        tables = OWN_TABLES.tables(place, config)
        return bool(tables) and all(len(table.names) > 1 for table in tables)
    return False


def _nearest(place: Place) -> str | None:
    """The format of which some file holds something, or has a name, the most particular name first."""
    for name in FORMATS:
        if _reader(name).holds_some(place):
            return name
    found = []
    for name in FORMATS:
        for word in re.findall(r"\w[\w.-]*\.\w+", _reader(name).files):
            plain = word.removesuffix(".gz")
            own = re.sub(r"CATEGORY|NAME", "", plain)
            if len(own) > len(".jsonl") and place.find(
                re.escape(plain).replace("CATEGORY", ".+").replace("NAME", ".+")
            ):
                found.append((len(own), name))
            elif own in (".inter", ".item") and place.find(rf".+\{own}"):
                found.append((0, name))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def preview(path: Path, name: str, config: DataConfig | None = None, rows: int = ROWS) -> DataPreview:
    """The first rows of both files; reads no more of them.

    Raises:
        StudioError: they are not of this format, or damaged at their very beginning.
    """
    config = (config or DataConfig()).model_copy(update={"path": str(path), "dataset": name})
    reader = _reader(name)
    files = reader.located(config)
    peek = _Peek(rows)
    with contextlib.suppress(_EnoughError):
        for _ in reader.interactions(files.log, peek, Monitor()):
            pass
    items: tuple[RawItem, ...] = ()
    if files.items is not None:
        items = tuple(islice(reader.items(files.items, RawIdFilter(None), Monitor()), rows))
    names = [str(file) for file in (*files.log, files.items) if file is not None]
    return DataPreview(name, tuple(names), tuple(peek.rows), items)


def _reader(name: str) -> Downloaded:
    reader = datasets.reader(name)
    if not isinstance(reader, Downloaded):
        raise StudioError(f"{reader.title} cannot be shown by rows", where=name, remedy="read it as csv")
    return reader


class _EnoughError(Exception):
    """The rows asked for are there."""


class _Peek(LogBuilder):
    """Takes the first rows, then stops the reader."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.rows: list[tuple[str, str, str]] = []

    def add(self, users: Ids, items: Ids, times: Sequence[str] | np.ndarray | None) -> None:
        shown = [str(moment) for moment in times[: self.most]] if times is not None else [""] * len(users)
        self._take(users, items, shown)

    def code(self, users: Ids, items: Ids) -> None:
        self._take(users, items, [""] * len(users))

    def _take(self, users: Ids, items: Ids, times: Sequence[str]) -> None:
        first = slice(self.most)
        shown = (ids[first] if isinstance(ids, Sequence) else ids[first].to_pylist() for ids in (users, items))
        self.rows += zip(*shown, times[first], strict=False)
        if len(self.rows) >= self.most:
            del self.rows[self.most :]
            raise _EnoughError
