"""Tables of one's own, written small and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import DataConfig
from engine.data import Dataset, load_dataset
from engine.data.raw import Raw, RawIdFilter, RawItem
from engine.data.readers.csv import READER
from engine.errors import StudioError
from engine.monitor import Monitor

ITEMS = 'item,title,year,genres\na,Heat,1995,Crime|Drama\nb,"Good, the Bad",,\nc,Up,2009,\n'
LOG = "user,item,timestamp\nu,a,3\nu,b,1\nv,c,2\nu,c,2\n"


class Said(Monitor):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def write(folder: Path, items: str | bytes = ITEMS, log: str | bytes = LOG) -> Path:
    for name, content in (("items.csv", items), ("interactions.csv", log)):
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(path: Path, columns: str | None = None, monitor: Monitor | None = None) -> tuple[Raw, list[RawItem]]:
    """What a path holds, and its items."""
    raw = READER.read(DataConfig(dataset="csv", path=str(path), columns=columns), 0, monitor or Monitor())
    return raw, list(raw.items(RawIdFilter(None), monitor or Monitor()))


def rows(raw: Raw) -> list[tuple[str, str, int]]:
    users, items = ([ids[code] for code in coded] for ids, coded in
                    ((raw.log.user_ids, raw.log.users), (raw.log.item_ids, raw.log.items)))  # fmt: skip
    return list(zip(users, items, raw.log.times.tolist(), strict=True))


def load(path: Path, columns: str | None = None) -> Dataset:
    config = DataConfig(dataset="csv", path=str(path), columns=columns, min_interactions=3)
    return load_dataset(config, 0, Monitor())


def refused(path: Path, columns: str | None = None) -> str:
    with pytest.raises(StudioError) as failure:
        read(path, columns)
    assert "\n" not in str(failure.value)
    return str(failure.value)
