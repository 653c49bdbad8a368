"""All data sets of this machine with what there is to know without reading them, for the shell, pages and programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine import datasets
from engine.config import DataConfig
from engine.data.readers.downloaded import Downloaded
from engine.errors import StudioError

State = Literal["here", "built in", "fetched when needed", "not here", "your files", "damaged"]


@dataclass(frozen=True)
class Listed:
    """A data set that ``data.dataset`` takes."""

    name: str
    title: str
    about: str
    """What it is and how large, in a line."""
    licence: str
    state: State
    where: str
    """Whether it is here, or how it comes here."""
    imported: bool
    """Somebody brought it; it can be renamed and deleted."""

    def json(self) -> dict[str, Any]:
        """As an object."""
        return asdict(self)


def listing() -> list[Listed]:
    """Every data set: the registry, then what was imported."""
    return [listed(name) for name in datasets.names()]


def listed(name: str) -> Listed:
    """One of them.

    Raises:
        StudioError: there is none of this name.
    """
    imported = name not in datasets.READERS
    try:
        reader = datasets.reader(name)
    except StudioError as error:
        if not imported or name not in datasets.imported():
            raise
        return Listed(name, name, error.what, "", "damaged", error.remedy, imported)
    fetchable = not isinstance(reader, Downloaded) or reader.fetchable
    state: State = "not here" if fetchable else "your files"
    try:
        presence = reader.presence(DataConfig(dataset=name))
        where = {"here": "here", "built in": "built in"}.get(presence, "is fetched when a run needs it")
        state = "here" if presence == "here" else "built in" if presence == "built in" else "fetched when needed"
    except StudioError as error:
        where = error.remedy
    return Listed(name, reader.title, reader.about, reader.licence, state, where, imported)
