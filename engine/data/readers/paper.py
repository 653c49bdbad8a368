"""The paper's names for its Amazon data sets: whichever of their formats is there, with five interactions each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from engine.config import DataConfig
from engine.data.files import File
from engine.data.place import Place
from engine.data.raw import LogBuilder, RawIdFilter, RawItem
from engine.data.readers.amazon_2014 import READER as AMAZON
from engine.data.readers.downloaded import Downloaded, Files
from engine.data.readers.recbole import READER as RECBOLE
from engine.data.remote import RemoteFile
from engine.monitor import Monitor


class PaperSet(Downloaded):
    """A category of Amazon 2014, from RecBole's atomic files (the paper's source, which hold all reviews) or from the
    files of the McAuley lab."""

    licence = AMAZON.licence
    domain = AMAZON.domain
    items_at_least = 5

    def __init__(self, name: str, category: str, about: str) -> None:
        self.name, self.category, self.about = name, category, about
        self.title = f"Amazon {category.replace('_', ' ')} (2014)"
        self.files = f"Amazon_{category}.inter and .item, or reviews_{category}_5.json.gz and meta_{category}.json.gz"

    def remotes(self, config: DataConfig) -> tuple[RemoteFile, ...]:
        return AMAZON.remotes(config.model_copy(update={"category": self.category}))

    def find(self, place: Place, config: DataConfig) -> Files | None:
        stem = re.escape(self.category).replace("_", "[-_]")
        return RECBOLE.named(place, rf"(?:amazon[-_])?{stem}") or AMAZON.find(
            place, config.model_copy(update={"category": self.category})
        )

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        return _format(files[0]).interactions(files, log, monitor)

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        return _format(file).items(file, id_filter, monitor)


def _format(file: File) -> Downloaded:
    return RECBOLE if file.name.lower().endswith((".inter", ".item")) else AMAZON
