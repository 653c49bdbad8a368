"""Data sets that people brought, see :mod:`engine.data.imported`."""

from __future__ import annotations

from engine.config import DataConfig
from engine.data import imported
from engine.data.raw import Raw
from engine.data.readers.base import Reader
from engine.labels import plural
from engine.locations import Presence
from engine.monitor import Monitor


class Imported(Reader):
    """One of them, by its name."""

    licence = "that of its source"

    def __init__(self, name: str) -> None:
        found = imported.about(name)
        self.name = self.title = name
        self.about = f"{plural(found.rows, 'row')} of {plural(found.items, 'item')} by {plural(found.users, 'user')}"
        self.about += f", from {found.source}"
        self.items_at_least, self.domain = found.items_at_least, found.domain

    def presence(self, config: DataConfig) -> Presence:
        return "here"

    def read(self, config: DataConfig, seed: int, monitor: Monitor) -> Raw:
        return imported.load(self.name, monitor)
