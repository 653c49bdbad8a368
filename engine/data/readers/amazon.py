"""What the three Amazon data sets share: files by category, reviews or ratings on one side, items on the other."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import ClassVar

from engine.config import DataConfig
from engine.data.files import File, Place
from engine.data.item_texts import tidy
from engine.data.raw import Item, LogBuilder, Wanted
from engine.data.readers.downloaded import Ambiguous, Downloaded, Files, plain
from engine.data.records import Record, logged, records, text, texts
from engine.data.sheet import Sheet
from engine.errors import StudioError
from engine.monitor import Monitor

ASIN = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")
"""What Amazon calls a product: its own number, or a book's ISBN."""
_VISIT = re.compile(r"^Visit Amazon's (.+) Page$")
_KIND = re.compile(r"[^<>{}]{2,80}")
"""A category; others are pieces of pages."""


class Amazon(Downloaded):
    """Interactions and items of one category. Patterns hold ``{c}`` for it."""

    licence = "no licence stated; research use, to be cited (McAuley lab, UCSD)"
    items_at_least = 5
    reviews: ClassVar[tuple[str, ...]]
    """Names of files with a review per line, the better ones first."""
    ratings: ClassVar[tuple[str, ...]]
    """Names of files with columns."""
    meta: ClassVar[str]
    other: ClassVar[str] = r"(?:meta|reviews|ratings|steam|australian)_"
    """How names begin that only seem to match."""

    def find(self, place: Place, config: DataConfig) -> Files | None:
        found = self.categories(place)
        if not found:
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
            listed = any(place.find(self.meta.format(c=re.escape(name))) for name in found)
            raise (Ambiguous if listed else StudioError)(
                f"several categories: {', '.join(sorted(found))}",
                where=f"data.path={place.path}",
                remedy="set data.category to one of them",
            )
        else:
            matching = list(found)
        parts = found[matching[0]]
        meta = place.pair([re.escape(parts[0].name)], [self.meta.format(c=re.escape(matching[0]))])
        if meta is None and config.unlisted == "id":
            return Files(parts, None)
        if meta is None:
            others = ", ".join(file.name for file in place.find(self.meta.format(c=".+"))[:5])
            raise StudioError(
                f"no items of {matching[0]}: looked for {self.meta.format(c=matching[0]).replace(chr(92), '')},"
                f" found {others or 'no such file'}",
                where=f"data.path={place.path}",
                remedy="bring the meta file of the same category, or set data.unlisted=id to do without titles",
            )
        return Files(parts, meta[1])

    def categories(self, place: Place) -> dict[str, list[File]]:
        """What is there: by category, the parts of the best file of interactions."""
        files = place.find(r".+")
        if place.chosen and self._rank(place.chosen.name):
            files = [place.chosen]
        ranked = [(rank, file) for file in files if (rank := self._rank(file.name))]
        found: dict[str, list[File]] = {}
        for (_, category), file in sorted(ranked, key=lambda pair: pair[0][0]):  # stable: near ones stay first
            found.setdefault(category, [file])
        return found

    def _rank(self, name: str) -> tuple[int, str] | None:
        """How good a file of interactions is, 0 for the best, and its category."""
        for rank, pattern in enumerate((*self.reviews, *self.ratings)):
            match = re.fullmatch(pattern.format(c="(.+?)"), name, re.IGNORECASE)
            if match and not re.match(self.other, match[1], re.IGNORECASE):
                return rank, match[1]
        return None

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        for file in files:
            if file.name.lower().endswith(".csv"):
                self.read_ratings(file, log, monitor)
            else:
                for batch in logged(file, self.fields, monitor, self.review):
                    log.add(*batch)
        return ()

    @abstractmethod
    def read_ratings(self, file: File, log: LogBuilder, monitor: Monitor) -> None:
        """A table of ratings."""

    fields: ClassVar[tuple[str, str, str]] = ("reviewerID", "asin", "unixReviewTime")
    """Where a review names its user, item and time."""

    def review(self, record: Record) -> tuple[str, str, str]:
        """User, item and time of a review."""
        return text(record.get("reviewerID")), text(record.get("asin")), text(record.get("unixReviewTime"))

    def items(self, file: File, wanted: Wanted, monitor: Monitor) -> Iterator[Item]:
        for record in records(file, monitor, "asin", wanted):
            raw = text(record.get("asin"))
            if raw in wanted:
                yield Item(raw, text(record.get("title")), genres=self.path(record), brand=brand(record.get("brand")))

    @abstractmethod
    def path(self, record: Record) -> tuple[str, ...]:
        """Categories of an item from the general to the particular."""


def headless(file: File, names: tuple[str, str, str, str], log: LogBuilder, monitor: Monitor) -> None:
    """Ratings without a header, or with one whose names do not matter: the order of the columns is the year's.

    Raises:
        StudioError: the columns stand in the order of another year.
    """
    sheet = Sheet(file, ",", monitor, names)
    if len(sheet.first) != len(names):
        file.fail(f"{len(sheet.first)} columns instead of {', '.join(names)}", "bring the ratings that were published")
    user, item = names.index("user"), names.index("item")
    sheet.headed = not _is_number(sheet.first[2])
    sample = list(islice(sheet.rows((user, item)), 1000))
    if _share(row[0] for row in sample) > 0.9 > 0.1 > _share(row[1] for row in sample):
        other = "amazon-2018" if names[0] == "user" else "amazon-2014"
        file.fail("users and items stand in the other order", f"take data.dataset={other}, whose order this is")
    for batch in sheet.log(user, item, 3):
        log.add(*batch)


def _share(ids: Iterable[str]) -> float:
    found = [bool(ASIN.fullmatch(raw)) for raw in ids]
    return sum(found) / len(found) if found else 0.0


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def brand(value: object) -> str:
    """Without what Amazon's pages of 2018 put around it."""
    said = tidy(text(value))
    visit = _VISIT.match(said)
    return visit[1] if visit else said


def below_root(path: Iterable[str]) -> tuple[str, ...]:
    """A path of categories without the first, which all items share, where there are more."""
    kinds = [kind for kind in path if _KIND.fullmatch(kind)]
    return tuple(kinds[1:] or kinds)


def kinds_of(value: object) -> tuple[str, ...]:
    """The first path of a list of paths, or the path itself."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        value = value[0]
    return below_root(texts(value))
