"""MovieLens-100K, see :mod:`engine.data.movielens`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.config import DataConfig
from engine.data.movielens import read_movielens
from engine.data.raw import Raw
from engine.data.readers.base import Reader, existing
from engine.data.remote import AvailableFile
from engine.data.sources import movielens_100k
from engine.datasets import MANIFEST
from engine.locations import Presence, movielens_folder
from engine.monitor import Monitor


class MovieLens100K(Reader):
    title = "MovieLens-100K"
    domain = "movie"
    licence = "research use, to be acknowledged; not to be redistributed or used commercially"
    fetchable = True
    size = "about 5 MB"
    about = "100,000 ratings of 1,682 films by 943 people, 1997 and 1998 (GroupLens)"

    def presence(self, config: DataConfig) -> Presence:
        if config.path:
            existing(config)
            return "here"
        return "here" if (movielens_folder() / MANIFEST).is_file() else "to be fetched"

    def fetch(self, config: DataConfig, found: Sequence[AvailableFile], monitor: Monitor) -> Path:
        """From the first of its own sources that answers, the package index among them."""
        movielens_100k(monitor)
        return movielens_folder()

    def read(self, config: DataConfig, seed: int, monitor: Monitor) -> Raw:
        if config.path:
            folder = existing(config)
            return Raw.of(*read_movielens(folder), f"folder {folder}")
        return movielens_100k(monitor)


READER = MovieLens100K()
