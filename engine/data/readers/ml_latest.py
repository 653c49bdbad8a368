"""MovieLens as GroupLens publishes it since 2014: ``ratings.csv`` and ``movies.csv``."""

from __future__ import annotations

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


class MovieLensLatest(MovieLens):
    name = "ml-latest"
    title = "MovieLens Latest"
    about = (
        "100,836 ratings of 9,724 films by 610 people, 1996 to 2018 (GroupLens, ml-latest-small); reads 20M to 32M too"
    )
    licence = "research use, to be acknowledged"
    files = "ratings.csv and movies.csv, or ml-latest-small.zip, ml-25m.zip …"

    choices = ("ml-latest-small", "ml-latest", "ml-20m", "ml-25m", "ml-32m")
    default = "ml-latest-small"

    def find(self, place: Place, config: DataConfig) -> Files | None:
        return self.pair(place, config, [r"ratings\.csv", r"ratings(\.\w+)?"], r"movies(\.\w+)?", _is_log)

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        sheet = Sheet(files[0], ",", monitor)
        places = (sheet.need("users", "userid"), sheet.need("films", "movieid"), sheet.need("times", "timestamp"))
        for batch in sheet.log(*places):
            log.add(*batch)
        return ()

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        sheet = Sheet(file, ",", monitor)
        places = (sheet.need("films", "movieid"), sheet.need("titles", "title"), sheet.place("genres"))
        for raw, title, genres in sheet.rows(places):
            if raw in id_filter:
                yield film(raw, title, tuple(genres.split("|")))


def _is_log(file: File) -> bool:
    """By its name, or as saved anew under another one."""
    return file.called.lower() == "ratings.csv" or {"userid", "movieid"} <= sniffing.header(file)


READER = MovieLensLatest()
