"""MovieLens-1M and -10M: ``ratings.dat`` and ``movies.dat``, parted by double colons, without headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from engine.config import DataConfig
from engine.data import sniffing
from engine.data.files import File
from engine.data.place import Place
from engine.data.raw import LogBuilder, RawIdFilter, RawItem
from engine.data.readers.downloaded import Files
from engine.data.readers.films import MovieLens, film
from engine.data.sheet import Sheet
from engine.monitor import Monitor


class MovieLens1M(MovieLens):
    name = "ml-1m"
    title = "MovieLens-1M"
    about = "1,000,209 ratings of 3,706 films by 6,040 people, 2000 to 2003 (GroupLens); reads MovieLens-10M too"
    licence = "research use, to be acknowledged; not to be redistributed"
    files = "ratings.dat and movies.dat, or ml-1m.zip"

    choices = ("ml-1m", "ml-10m")
    default = "ml-1m"

    def find(self, place: Place, config: DataConfig) -> Files | None:
        return self.pair(place, config, [r"ratings\.dat", r"ratings(\.\w+)?"], r"movies(\.\w+)?", _is_log)

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        sheet = Sheet(files[0], "::", monitor, ("user", "item", "rating", "time"))
        for batch in sheet.log(0, 1, 3):
            log.add(*batch)
        return ()

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        for raw, title, genres in Sheet(file, "::", monitor, ("item", "title", "genres")).rows((0, 1, 2)):
            if raw in id_filter:
                yield film(raw, title, tuple(genres.split("|")))


def _is_log(file: File) -> bool:
    """By its name, or as saved anew under another one: four cells a row, no header above rating and time."""
    begin = next(iter(sniffing.rows(file)), [])
    numbers = [cell for cell in begin[2:] if re.fullmatch(r"\d+(\.\d+)?", cell)]
    return file.called.lower() == "ratings.dat" or (len(begin), len(numbers)) == (4, 2)


READER = MovieLens1M()
