"""Data sets that come as files which people download: where they are looked for, and what is said if they are not."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine import encodings
from engine.config import DataConfig
from engine.data.files import File
from engine.data.place import Place
from engine.data.raw import LogBuilder, Raw, RawIdFilter, RawItem
from engine.data.readers.base import Reader, existing
from engine.data.remote import AvailableFile, fetch
from engine.datasets import FETCHED
from engine.errors import StudioError
from engine.locations import Presence
from engine.monitor import Monitor
from engine.paths import home

FIRST, SIZE = 50, 50_000


class Ambiguous(StudioError):
    """Several data sets of this format are there, and none was chosen; ``data.category`` takes one of ``choices``."""

    def __init__(self, what: str, *, where: str, remedy: str, choices: Sequence[str] = ()) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.choices = tuple(choices)


class AnotherSet(StudioError):
    """The files are those of another data set."""


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
    fetchable = True

    @abstractmethod
    def find(self, place: Place, config: DataConfig) -> Files | None:
        """The files, or ``None`` where one is lacking.

        Raises:
            StudioError: several data sets are there and none was chosen, or another than the one chosen.
        """

    def holds_some(self, place: Place) -> bool:
        """Whether some file there is of this format, whatever it is called."""
        return False

    @abstractmethod
    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        """Read the parts into ``log``; yields what was decided on the way, for people."""

    @abstractmethod
    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        """Stream the wanted items."""

    def presence(self, config: DataConfig) -> Presence:
        self.located(config)
        return "here"

    def read(self, config: DataConfig, seed: int, monitor: Monitor) -> Raw:
        files = self.located(config)
        log = LogBuilder()
        notes = list(self.interactions(files.log, log, monitor))
        rows, times = log.log(monitor)

        def items(id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
            return iter(()) if files.items is None else self.items(files.items, id_filter, monitor)

        source = f"{' and '.join(file.name for file in files.log)} in {files.log[0].folder}"
        text = [] if config.encoding == encodings.UTF8 else [f"text read as {config.encoding}"]
        return Raw(rows, items, source, (times, *text, *notes), self.as_written)

    def located(self, config: DataConfig) -> Files:
        """The files in ``data.path``, or those that were fetched.

        Raises:
            StudioError: they are not there; says what was looked for.
        """
        if config.path:
            place = Place(existing(config), config.encoding)
        elif self.folder.is_dir():
            place = Place(self.folder)
        else:
            raise self.absent(config)
        try:
            found = self.find(place, config)
        except StudioError:
            if config.path or config.category or not self.default:
                raise
            found = self.find(place, config.model_copy(update={"category": self.default}))
        if found is None and not config.path:
            raise self.absent(config)
        if found is None:
            raise place.lacks(self.title, self.files)
        return found

    def pair(
        self,
        place: Place,
        config: DataConfig,
        log: Sequence[str],
        items: str,
        holds: Callable[[File], bool] = lambda _: True,
    ) -> Files | None:
        """Interactions in one file and items in another, by patterns of their names and by what the former ``holds``.

        Raises:
            StudioError: they are in several folders or archives, and ``data.category`` names none of these.
        """
        pairs = {label: files for label, files in place.pairs(log, [items]).items() if holds(files[0])}
        if config.category and place.chosen is None:
            category = plain(config.category)
            meant = {label: files for label, files in pairs.items() if category in map(plain, files[0].path_parts)}
            pairs = meant if self.choices else meant or pairs
        folders = [files[0].folder for files in pairs.values()]
        pairs = {label: files for label, files in pairs.items() if not _is_below(files[0].folder, folders)}
        named = {plain(label): files for label, files in reversed(pairs.items())}  # one that is unpacked beside too
        if len(named) > 1 and place.chosen is None:
            raise Ambiguous(
                f"several data sets: {', '.join(pairs)}",
                where=f"data.path={place.path}",
                remedy="set data.category to one of them, or data.path to its folder",
                choices=list(pairs),
            )
        return next((Files(files[:1], files[1]) for files in named.values()), None)

    def absent(self, config: DataConfig) -> StudioError:
        """That it is not here; raises :class:`StudioError` where ``data.category`` names none of :attr:`choices`."""
        if self.choices and config.category:
            self.chosen(config)
        category = f" --category {config.category}" if config.category else ""
        fetched = f", or run: delrec data fetch {self.name}{category}" if self.fetchable else ""
        return StudioError(
            f"{self.title} is not on this machine",
            where=f"data.dataset={config.dataset}",
            remedy=f"set data.path to its files ({self.files}){fetched}",
        )

    @property
    def folder(self) -> Path:
        """Where it lies once fetched."""
        return home() / "datasets" / self.name

    def fetch(self, config: DataConfig, found: Sequence[AvailableFile], monitor: Monitor) -> Path:
        if not self.fetchable:
            return super().fetch(config, found, monitor)
        return fetch(found, self.folder / (self.chosen(config) or ""), monitor)

    def parts_here(self) -> tuple[str, ...]:
        return tuple(part for part in self.choices if (self.folder / part / FETCHED).is_file())

    def chosen(self, config: DataConfig) -> str | None:
        """The one of :attr:`choices` that ``data.category`` names, as its owners spell it.

        Raises:
            StudioError: it names none, or does not say which.
        """
        if not self.choices:
            return None
        category = config.category or self.default
        for choice in self.choices:
            if category and plain(choice) == plain(category):
                return choice
        what = f"there is no {category!r} in {self.title}" if category else f"{self.title}: which part?"
        raise StudioError(what, where="data.category", remedy=f"choose one of {', '.join(self.choices)}")


def _is_below(folder: str, others: Iterable[str]) -> bool:
    """Whether one of the others holds it: samples and copies lie below the data set that is meant."""
    return any(folder.startswith(f"{other}/") for other in others)


def plain(name: str) -> str:
    """A name for comparing: ``Home & Kitchen`` is ``Home_and_Kitchen``."""
    return re.sub(r"[\W_]+", "", name.replace("&", "and")).lower()


def batched(rows: Iterable[tuple[str, str, str]], add: Callable[[list[str], list[str], list[str]], None]) -> None:
    """Hand rows on as columns, :data:`SIZE` at a time; the first ones sooner, for whoever wants no more."""
    rest, size = iter(rows), FIRST
    while batch := list(islice(rest, size)):
        size = SIZE
        users, items, times = zip(*batch, strict=True)
        add(list(users), list(items), list(times))
