"""What every data set's file offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from engine.config import DataConfig
from engine.data.raw import Raw
from engine.data.remote import AvailableFile, RemoteFile
from engine.errors import StudioError
from engine.locations import Presence
from engine.monitor import Monitor
from engine.paths import expanded


class Reader(ABC):
    """A data set, or a format that any number of data sets come in."""

    title: str
    """What people call it."""
    about: str
    """What it is, in a line."""
    licence: str
    """Terms of use, in a line."""
    domain: str
    """What its items are, see :data:`engine.domains.DOMAINS`."""
    items_at_least: int = 1
    """``data.min_item_interactions`` where it is left empty."""
    as_written: bool = False
    """See :attr:`engine.data.raw.Raw.as_written`."""
    choices: tuple[str, ...] = ()
    """What ``data.category`` can name, for those that are fetched in parts."""
    default: str | None = None
    """The one of ``choices`` that is meant without ``data.category``."""
    fetchable: bool = False
    """:meth:`fetch` brings it."""
    size: str = ""
    """What is fetched, about, where :meth:`remotes` does not tell."""

    @abstractmethod
    def presence(self, config: DataConfig) -> Presence:
        """Whether it can be read at once; looks at names and first lines of files only.

        Raises:
            StudioError: it can neither be read nor fetched; says what was looked for.
        """

    @abstractmethod
    def read(self, config: DataConfig, seed: int, monitor: Monitor) -> Raw:
        """The log in file order, and where the items' texts are. ``seed`` is the run's.

        Raises:
            StudioError: files are missing, unreadable or damaged, or no source answers.
            Cancelled: the monitor asked to stop.
        """

    def parts_here(self) -> tuple[str, ...]:
        """Those of :attr:`choices` that were fetched."""
        return ()

    def remotes(self, config: DataConfig) -> tuple[RemoteFile, ...]:
        """The files to fetch, by ``data.category`` where there are several; none where nothing can be fetched.

        Raises:
            StudioError: no such category.
        """
        return ()

    def fetch(self, config: DataConfig, found: Sequence[AvailableFile], monitor: Monitor) -> Path:
        """Fetch what :func:`engine.data.remote.available_files` found of :meth:`remotes`; the folder in which it lies.

        Raises:
            StudioError: it cannot be fetched.
            Cancelled: the monitor asked to stop; the next call goes on.
        """
        raise StudioError(f"{self.title} cannot be fetched", where=config.dataset, remedy="set data.path to its files")


def existing(config: DataConfig) -> Path:
    """``data.path``, a folder or a file.

    Raises:
        StudioError: it is not set, or nothing is there.
    """
    if not config.path:
        raise StudioError("no folder given", where="data.path", remedy="set data.path to the folder of your files")
    path = expanded(config.path)
    if not path.exists():
        raise StudioError(f"there is no {config.path}", where="data.path", remedy="correct data.path")
    return path
