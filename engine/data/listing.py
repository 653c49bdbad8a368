"""All data sets of this machine with what there is to know without reading them, for the shell, pages and programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine import datasets
from engine.config import DataConfig
from engine.errors import StudioError

DatasetState = Literal["here", "built in", "fetched when needed", "not here", "your files", "damaged"]


@dataclass(frozen=True)
class Listed:
    """A data set that ``data.dataset`` takes."""

    name: str
    title: str
    about: str
    """What it is and how large, in a line."""
    licence: str
    state: DatasetState
    where: str
    """Whether it is here, or how it comes here."""
    imported: bool
    """Somebody brought it; it can be renamed and deleted."""
    fetchable: bool = False
    parts: tuple[str, ...] = ()
    """What ``data.category`` can name, where it is fetched in parts."""
    parts_here: tuple[str, ...] = ()
    """Those that were fetched."""
    part: str = ""
    """The one that is meant where none is named."""

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
    state: DatasetState = "not here" if reader.fetchable else "your files"
    parts_here = reader.parts_here()
    try:
        presence = reader.presence(DataConfig(dataset=name))
        where = {"here": "here", "built in": "built in"}.get(presence, "is fetched when a run needs it")
        state = "here" if presence == "here" else "built in" if presence == "built in" else "fetched when needed"
    except StudioError as error:
        where = error.remedy
        if parts_here:
            state, where = "here", f"here: {', '.join(parts_here)}; {error.remedy}"
    parts = (reader.fetchable, reader.choices, parts_here, reader.default or "")
    return Listed(name, reader.title, reader.about, reader.licence, state, where, imported, *parts)
