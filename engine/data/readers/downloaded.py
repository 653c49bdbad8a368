"""Data sets that come as files which people download: where they are looked for, and what is said if they are not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.config import DataConfig
from engine.data.files import File, Place
from engine.data.raw import Item, LogBuilder, Raw, Wanted
from engine.data.readers.base import Reader, existing
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.paths import home
from engine.places import Presence

SIZE = 50_000


@dataclass(frozen=True)
class Files:
    """What was found of a data set."""

    log: list[File]
    """The parts of the interactions, in order."""
    items: File | None
    """None where ids are to stand for the items' titles (``data.unlisted=id``)."""


class Downloaded(Reader):
    """A data set in files of its own format. ``files``: what these are called, for people."""

    name: str
    files: str

    @abstractmethod
    def find(self, place: Place, config: DataConfig) -> Files | None:
        """The files, or ``None`` where one is lacking.

        Raises:
            StudioError: several data sets are there and none was chosen, or another than the one chosen.
        """

    @abstractmethod
    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        """Read the parts into ``log``; yields what was decided on the way, for people."""

    @abstractmethod
    def items(self, file: File, wanted: Wanted, monitor: Monitor) -> Iterator[Item]:
        """Stream the wanted items."""

    def presence(self, config: DataConfig) -> Presence:
        self.located(config)
        return "here"

    def read(self, config: DataConfig, seed: int, monitor: Monitor) -> Raw:
        files = self.located(config)
        log = LogBuilder()
        notes = list(self.interactions(files.log, log, monitor))
        rows, times = log.log(monitor)

        def items(wanted: Wanted, monitor: Monitor) -> Iterator[Item]:
            return iter(()) if files.items is None else self.items(files.items, wanted, monitor)

        source = f"{' and '.join(file.name for file in files.log)} in {files.log[0].folder}"
        return Raw(rows, items, source, (times, *notes))

    def located(self, config: DataConfig) -> Files:
        """The files in ``data.path``, or those that were fetched.

        Raises:
            StudioError: they are not there; says what was looked for.
        """
        if config.path:
            place = Place(existing(config))
        elif self.folder(config).is_dir():
            place = Place(self.folder(config))
        else:
            category = f" --category {config.category}" if config.category else ""
            raise StudioError(
                f"{self.title} is not on this machine",
                where=f"data.dataset={config.dataset}",
                remedy=f"set data.path to its files ({self.files}), or run: delrec data fetch {self.name}{category}",
            )
        found = self.find(place, config)
        if found is None:
            raise place.lacks(self.title, self.files)
        return found

    def folder(self, config: DataConfig) -> Path:
        """Where it lies once fetched."""
        return home() / "datasets" / self.name / (config.category or "")


def pair(place: Place, log: str | Sequence[str], items: str) -> Files | None:
    """Interactions in one file and items in another, by patterns of their names."""
    found = place.pair([log] if isinstance(log, str) else log, [items])
    return Files(found[:1], found[1]) if found else None


def batched(rows: Iterable[tuple[str, str, str]], add: Callable[[list[str], list[str], list[str]], None]) -> None:
    """Hand rows on as columns, :data:`SIZE` at a time."""
    rest = iter(rows)
    while batch := list(islice(rest, SIZE)):
        users, items, times = zip(*batch, strict=True)
        add(list(users), list(items), list(times))
