"""One's own tables, see :mod:`engine.data.tables`."""

from __future__ import annotations

from engine.config import DataConfig
from engine.data.raw import Raw
from engine.data.readers.base import Reader, existing
from engine.data.tables import read_tables
from engine.monitor import Monitor
from engine.places import Presence


class OwnTables(Reader):
    title = "your own tables"
    licence = "yours"
    about = "interactions.csv and items.csv in a folder of yours"

    def presence(self, config: DataConfig) -> Presence:
        existing(config)
        return "here"

    def read(self, config: DataConfig, seed: int, monitor: Monitor) -> Raw:
        folder = existing(config)
        return Raw.of(*read_tables(folder, monitor), f"folder {folder}")


READER = OwnTables()
