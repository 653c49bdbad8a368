"""What the three Amazon data sets share: files by category, reviews or ratings on one side, items on the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from engine.config import DataConfig
from engine.data import sniffing
from engine.data.columns import is_number
from engine.data.files import File
from engine.data.item_texts import tidy
from engine.data.place import Place
from engine.data.raw import LogBuilder, RawIdFilter, RawItem
from engine.data.readers.amazon_files import OLD, YEARS, AmazonFileKind, category_of, kind_of
from engine.data.readers.downloaded import Ambiguous, AnotherSet, Downloaded, Files, plain
from engine.data.records import JsonRecord, logged, records, text, texts
from engine.data.sheet import Sheet
from engine.errors import StudioError
from engine.labels import plural
from engine.monitor import Monitor

_VISIT = re.compile(r"^Visit Amazon's (.+) Page$")
_KIND = re.compile(r"[^<>{}]{2,80}")
"""A category; others are pieces of pages."""


class Amazon(Downloaded):
    """Interactions and items of one category."""

    licence = "no licence stated; research use, to be cited (McAuley lab, UCSD)"
    domain = "item"
    items_at_least = 5
    year: ClassVar[int]
    meta: ClassVar[str] = "meta_{c}.json"
    """What the file of items is called."""
    rated: ClassVar[tuple[str, str, str, str]] = ("user", "item", "rating", "time")
    """The columns of a table of ratings."""

    def find(self, place: Place, config: DataConfig) -> Files | None:
        found = self.categories(place)
        if not found:
            self.refuse_others(place)
            return None
        if config.category:
            matching = [name for name in found if plain(name) == plain(config.category)]
            if not matching:
                raise StudioError(
                    f"no files of the category {config.category!r}: here are {', '.join(sorted(found))}",
                    where=f"data.path={place.path}",
                    remedy="set data.category to one of them, or bring the files",
                )
        elif len(found) > 1:
            listed = any(self.items_of(name, files, place) for name, files in found.items())
            what, where = f"several categories: {', '.join(sorted(found))}", f"data.path={place.path}"
            remedy = "set data.category to one of them, or bring the files of one"
            if listed:
                raise Ambiguous(what, where=where, remedy=remedy, choices=sorted(found))
            raise StudioError(what, where=where, remedy=remedy)
        else:
            matching = list(found)
        parts = found[matching[0]]
        meta = self.items_of(matching[0], parts, place)
        if meta is None and config.unlisted != "id":
            others = [f"{file.name} ({kind})" for file, kind in _kinds(place) if kind.role == "items"]
            raise StudioError(
                f"no items of {matching[0]}: looked for {self.meta.format(c=matching[0])},"
                f" found {', '.join(others[:5]) or 'no such file'}",
                where=f"data.path={place.path}",
                remedy="bring the meta file of the same category, or set data.unlisted=id to do without titles",
            )
        return Files(parts, meta)

    def categories(self, place: Place) -> dict[str, list[File]]:
        """What is there: by category, the parts of the best file of interactions: reviews, those of a 5-core first."""
        logs = [(file, kind) for file, kind in _kinds(place) if kind.role != "items" and self.year in kind.years]
        certain = [pair for pair in logs if len(pair[1].years) < len(YEARS)]
        logs = certain or logs
        if any(file == place.chosen for file, _ in logs):
            logs = [pair for pair in logs if pair[0] == place.chosen]
        logs.sort(key=lambda pair: (pair[1].role != "reviews", "_5" not in pair[0].name))  # stable: near ones first
        found: dict[str, list[File]] = {}
        for file, _ in logs:
            found.setdefault(category_of(file), [file])
        return found

    def items_of(self, category: str, log: list[File], place: Place) -> File | None:
        """The items that belong to a category: the nearest file that says so, or the only one if its name is free."""
        years = OLD if self.year in OLD else {self.year}
        files = [file for file, kind in _kinds(place) if kind.role == "items" and kind.years & years]
        same = [file for file in files if plain(category_of(file)) == plain(category)]
        near = [file for file in same if file.folder == log[0].folder]
        free = [file for file in files if not file.name.lower().startswith("meta_")]
        return next(iter((*near, *same, *(free if len(files) == 1 else ()))), None)

    def holds_some(self, place: Place) -> bool:
        return any(self.year in kind.years for _, kind in _kinds(place) if len(kind.years) < len(YEARS))

    def refuse_others(self, place: Place) -> None:
        """Raise where the interactions are another year's."""
        for file, kind in _kinds(place):
            if kind.role != "items" and file in (place.chosen or file, file):
                raise AnotherSet(
                    f"{file.name} holds {kind}",
                    where=f"data.path={place.path}",
                    remedy=f"take data.dataset=amazon-{max(kind.years)}",
                )

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        for file in files:
            if sniffing.holds_records(file):
                for batch in logged(file, self.fields, monitor, self.review):
                    log.add(*batch)
            else:
                self.read_ratings(file, log, monitor)
        return ()

    def read_ratings(self, file: File, log: LogBuilder, monitor: Monitor) -> None:
        """A table of ratings without a header, or with one whose names do not matter."""
        sheet = Sheet(file, ",", monitor, self.rated)
        if len(sheet.first) != len(self.rated):
            columns = f"{plural(len(sheet.first), 'column')} instead of {', '.join(self.rated)}"
            file.fail(columns, "bring the ratings that were published")
        sheet.headed = not is_number(sheet.first[2])
        for batch in sheet.log(self.rated.index("user"), self.rated.index("item"), 3):
            log.add(*batch)

    fields: ClassVar[tuple[str, str, str]] = ("reviewerID", "asin", "unixReviewTime")
    """Where a review names its user, item and time."""

    def review(self, record: JsonRecord) -> tuple[str, str, str]:
        """User, item and time of a review."""
        return text(record.get("reviewerID")), text(record.get("asin")), text(record.get("unixReviewTime"))

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        for record in records(file, monitor, "asin", id_filter):
            raw = text(record.get("asin"))
            if raw in id_filter:
                yield RawItem(
                    raw, text(record.get("title")), genres=self.path(record), brand=brand(record.get("brand"))
                )

    def path(self, record: JsonRecord) -> tuple[str, ...]:
        """Categories of an item from the general to the particular: of the first path where there are several."""
        value = record.get("categories") or record.get("category")
        if isinstance(value, list) and value and isinstance(value[0], list):
            value = value[0]
        return below_root(texts(value))


def _kinds(place: Place) -> list[tuple[File, AmazonFileKind]]:
    """Amazon's files that are there, the one that was named first, near ones before those below."""
    return [(file, kind) for file in sniffing.likely(place) if (kind := kind_of(file)) is not None]


def brand(value: object) -> str:
    """Without what Amazon's pages of 2018 put around it."""
    name = tidy(text(value))
    visit = _VISIT.match(name)
    return visit[1] if visit else name


def below_root(path: Iterable[str]) -> tuple[str, ...]:
    """A path of categories without the first, which all items share, where there are more."""
    kinds = [kind for kind in path if _KIND.fullmatch(kind)]
    return tuple(kinds[1:] or kinds)
