"""goodbooks-10k: ``ratings.csv``, whose order is the time, and ``books.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.config import DataConfig
from engine.data import sniffing
from engine.data.files import File
from engine.data.item_texts import year_in
from engine.data.place import Place
from engine.data.raw import LogBuilder, RawIdFilter, RawItem
from engine.data.readers.downloaded import Downloaded, Files
from engine.data.remote import RemoteFile
from engine.data.sheet import Sheet
from engine.monitor import Monitor


class Goodbooks(Downloaded):
    name = "goodbooks-10k"
    title = "goodbooks-10k"
    about = "5,976,479 ratings of 10,000 books by 53,424 people on Goodreads, in order but without times"
    licence = "CC BY-SA 4.0"
    files = "ratings.csv and books.csv, or goodbooks-10k.zip"
    domain = "book"

    def remotes(self, config: DataConfig) -> tuple[RemoteFile, ...]:
        release = "https://github.com/zygmuntz/goodbooks-10k/releases/download/v1.0/goodbooks-10k.zip"
        return (RemoteFile("goodbooks-10k.zip", (release,)),)

    def find(self, place: Place, config: DataConfig) -> Files | None:
        return self.pair(place, config, [r"ratings\.csv", r"ratings(\.\w+)?"], r"books(\.\w+)?", _is_log)

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        sheet = Sheet(files[0], ",", monitor)
        for batch in sheet.log(sheet.need("users", "user_id"), sheet.need("books", "book_id"), None):
            log.add(*batch)
        return ()

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        sheet = Sheet(file, ",", monitor)
        places = (sheet.need("books", "book_id"), sheet.need("titles", "title", "original_title"))
        further = (sheet.place("original_publication_year", "year"), sheet.place("authors", "author"))
        for raw, title, year, authors in sheet.rows((*places, *further)):
            if raw in id_filter:
                yield RawItem(raw, title, year_in(year), brand=authors)


def _is_log(file: File) -> bool:
    """By its name, or as saved anew under another one."""
    return file.called.lower() == "ratings.csv" or {"user_id", "book_id"} <= sniffing.header(file)


READER = Goodbooks()
