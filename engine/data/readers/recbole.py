"""RecBole's atomic files, in which many data sets are published alike: ``NAME.inter`` and ``NAME.item``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from engine.config import DataConfig
from engine.data.files import File
from engine.data.item_texts import NOTHING, year_in
from engine.data.place import Place
from engine.data.raw import LogBuilder, RawIdFilter, RawItem
from engine.data.readers.downloaded import Ambiguous, Downloaded, Files
from engine.data.readers.films import film
from engine.data.sheet import SEPARATORS, Sheet
from engine.labels import plural
from engine.monitor import Monitor

USERS = ("user_id", "userid", "user", "reviewer_id", "session_id", "uid")
ITEMS = ("item_id", "product_id", "id", "artist_id", "business_id", "movie_id", "book_id", "track_id", "venue_id")
TIMES = ("timestamp", "time", "unix_time", "date")
TITLES = ("title", "movie_title", "name", "item_name", "app_name", "product_name", "book_title", "artist_name")
YEARS = ("release_year", "year", "publication_year", "publish_year", "release_date", "date")
GENRES = ("genres", "genre", "class", "categories", "category", "tags", "tag")
BRANDS = ("brand", "author", "authors", "developer", "artist", "store", "publisher", "director")
"""Columns by what they mean, the better ones first."""
PARTS = ("train", "valid", "test")
LABEL = "label"
"""RecBole's name for whether an item that was shown was chosen."""


class RecBole(Downloaded):
    name = "recbole"
    title = "RecBole atomic files"
    about = "any pair NAME.inter and NAME.item: RecBole's name for dozens of data sets"
    licence = "that of the data set"
    files = "NAME.inter and NAME.item"
    domain = "item"
    fetchable = False

    def find(self, place: Place, config: DataConfig) -> Files | None:
        logs = place.find(r".+\.inter")
        if place.chosen and place.chosen in logs:
            logs = [place.chosen]
        names = list(dict.fromkeys(_stem(file) for file in logs))
        if config.category:
            category = _plain(config.category)
            near = [name for name in names if category in _plain(name)]
            names = [name for name in near if category == _plain(name)] or near or names
        if len(names) > 1:
            raise Ambiguous(
                f"several data sets: {', '.join(names[:6])}",
                where=f"data.path={place.path}",
                remedy="set data.category to one of them, or data.path to its .inter file",
                choices=names,
            )
        return self.named(place, re.escape(names[0])) if names else None

    def named(self, place: Place, stem: str) -> Files | None:
        """The files of the data set whose name matches a pattern; it may be published in parts."""
        for patterns in ([rf"{stem}\.inter"], [rf"{stem}\.{part}\.inter" for part in PARTS]):
            if found := place.pair(*([pattern] for pattern in patterns), [rf"{stem}\.item"]):
                return Files(found[:-1], found[-1])
        logs, items = place.find(r".+\.inter"), place.find(r".+\.item")
        alone = len(logs) == len(items) == 1 and place.find(rf"{stem}\.inter") == logs
        return Files(logs, items[0]) if alone else None

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        long = passed = 0
        other = ""
        for file in files:
            sheet = Sheet(file, "\t", monitor)
            other = other or sheet.separator.strip("\t")
            places = sheet.need("users", *USERS), sheet.need("items", *ITEMS), sheet.place(*TIMES)
            label = sheet.place(LABEL)
            for batch in sheet.log(*places) if label is None else ():
                log.add(*batch)
            for users, items, times, labels in sheet.batches((*places, label)) if label is not None else ():
                chosen = [row for row, cell in enumerate(labels) if not _is_negative(cell)]
                passed += len(labels) - len(chosen)
                users, items, times = ([column[row] for row in chosen] for column in (users, items, times))
                log.add(users, items, None if places[2] is None else times)
            long += sheet.long
        notes = [f"{SEPARATORS[other]} stand between cells, where RecBole has tabs"] if other else []
        if passed:
            notes.append(f"passed over: {plural(passed, 'row')} with label 0, items shown and not chosen")
        return [*notes, f"{plural(long, 'row has', 'rows have')} a cell too many, passed over"] if long else notes

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        sheet = Sheet(file, "\t", monitor)
        sheet.need("titles", *TITLES)
        titles = [sheet.names.index(name) for name in TITLES if name in sheet.names]
        films = sheet.names[titles[0]] == "movie_title"
        places = (sheet.need("items", *ITEMS), sheet.place(*YEARS), sheet.place(*GENRES), sheet.place(*BRANDS))
        for raw, year, genres, brand, *named in sheet.rows((*places, *titles)):
            if raw not in id_filter:
                continue
            title = next((text for text in named if text.strip().lower() not in NOTHING), "")
            kinds, when = listed(genres), year_in(year)
            yield film(raw, title, kinds, when) if films else RawItem(raw, title, when, kinds, brand)


def _is_negative(label: str) -> bool:
    """Whether a label says that the item was not chosen: zero, or below."""
    try:
        return float(label) <= 0
    except ValueError:
        return False


def listed(cell: str) -> tuple[str, ...]:
    """The entries of a ``token_seq``: a Python list, or parted by bars, commas or, where there is neither, blanks."""
    cell = cell.strip()
    if cell.startswith("[") and cell.endswith("]"):
        try:
            value = ast.literal_eval(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            value = cell[1:-1].split(",")
        return tuple(str(part).strip(" '\"") for part in value if str(part).strip(" '\""))
    separator = "|" if "|" in cell else "," if "," in cell else None
    return tuple(part.strip(" '\"") for part in cell.split(separator) if part.strip(" '\""))


def _stem(file: File) -> str:
    return re.sub(rf"(\.({'|'.join(PARTS)}))?\.inter$", "", file.called, flags=re.IGNORECASE)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


READER = RecBole()
