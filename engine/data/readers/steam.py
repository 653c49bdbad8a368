"""Steam as UCSD publishes it, both versions: Python dictionaries, a user with all her reviews or a review per line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from engine.config import DataConfig
from engine.data import sniffing
from engine.data.files import File
from engine.data.item_texts import NOTHING, year_in
from engine.data.place import Place
from engine.data.raw import LogBuilder, RawIdFilter, RawItem
from engine.data.readers.downloaded import Downloaded, Files, batched
from engine.data.readers.mcauley import MCAULEY
from engine.data.readers.recbole import READER as RECBOLE
from engine.data.records import records, text, texts
from engine.data.remote import RemoteFile
from engine.data.timestamps import NONE
from engine.labels import plural
from engine.monitor import Monitor

WCKANG = "https://cseweb.ucsd.edu/~wckang/"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
YEARLESS = 4
"""Stands for the year of a date without one until the latest is known; a leap year, for February 29."""
_POSTED = re.compile(r"(?:posted\s+)?([a-z]{3})[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?(?:,\s*(\d{4}))?\.?", re.IGNORECASE)
_POSTED_BRITISH = re.compile(r"(?:posted\s+)?(\d{1,2})\s+([a-z]{3})[a-z]*\.?(?:,?\s*(\d{4}))?\.?", re.IGNORECASE)


class Steam(Downloaded):
    name = "steam"
    title = "Steam"
    about = "59,305 reviews of 3,682 games by 25,485 people in Australia, or 7,793,069 of all (version 2)"
    licence = "no licence stated; research use, to be cited (McAuley lab, UCSD)"
    files = (
        "australian_user_reviews.json.gz or steam_reviews.json.gz, with steam_games.json.gz; or steam.inter and .item"
    )
    items_at_least = 5
    domain = "game"

    def remotes(self, config: DataConfig) -> tuple[RemoteFile, ...]:
        """Version 1 with the games of version 2, as the McAuley lab publishes them."""
        return (
            RemoteFile("australian_user_reviews.json.gz", (f"{MCAULEY}steam/australian_user_reviews.json.gz",)),
            RemoteFile("steam_games.json.gz", (f"{WCKANG}steam_games.json.gz", f"{MCAULEY}steam/steam_games.json.gz")),
        )

    def find(self, place: Place, config: DataConfig) -> Files | None:
        reviews = (r"australian_user_reviews\.json", r"steam_reviews\.json", r"steam_new\.json", r".*reviews.*\.json")
        named = self.pair(place, config, reviews, r"(?:.*_)?steam_games\.json")
        return named or RECBOLE.named(place, "steam[^.]*") or _by_records(place)

    def holds_some(self, place: Place) -> bool:
        return any(_holds_reviews(file) or _holds_games(file) for file in sniffing.likely(place))

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        if files[0].name.lower().endswith(".inter"):
            return RECBOLE.interactions(files, log, monitor)
        parts: list[tuple[np.ndarray, np.ndarray]] = []

        def add(users: list[str], items: list[str], posted: list[str]) -> None:
            days = [_day(cell) for cell in posted]
            times = np.array([NONE if day is None else day[1] for day in days], np.int64)
            parts.append((times, np.array([day is not None and not day[0] for day in days])))
            log.code(users, items)

        batched(_reviews(files[0], monitor), add)
        notes = _fill_years(parts)
        for times, _ in parts:
            log.times.add(times)
        return notes

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        if file.name.lower().endswith(".item"):
            yield from RECBOLE.items(file, id_filter, monitor)
            return
        for record in records(file, monitor, "id", id_filter):
            raw = text(record.get("id"))
            if raw in id_filter:
                named = (text(record.get(field)) for field in ("title", "app_name"))
                title = next((name for name in named if name.strip().lower() not in NOTHING), "")
                maker = text(record.get("developer")) or text(record.get("publisher"))
                genres = texts(record.get("genres")) or texts(record.get("tags"))
                yield RawItem(raw, title, year_in(text(record.get("release_date"))), genres, maker)


def _by_records(place: Place) -> Files | None:
    """The files however they are called."""
    files = sniffing.likely(place)
    reviews, games = ([file for file in files if holds(file)] for holds in (_holds_reviews, _holds_games))
    return Files(reviews[:1], games[0]) if reviews and games else None


def _holds_reviews(file: File) -> bool:
    names = sniffing.fields(file)
    return {"user_id", "reviews"} <= names or (
        {"product_id", "date"} <= names and bool(names & {"username", "user_id"})
    )


def _holds_games(file: File) -> bool:
    names = sniffing.fields(file)
    return "id" in names and bool(names & {"app_name", "developer"})


def _reviews(file: File, monitor: Monitor) -> Iterator[tuple[str, str, str]]:
    for record in records(file, monitor):
        if isinstance(reviews := record.get("reviews"), list):
            user = text(record.get("user_id"))
            for review in reviews:
                if isinstance(review, dict):
                    yield user, text(review.get("item_id")), text(review.get("posted"))
        else:
            user = text(record.get("username")) or text(record.get("user_id"))
            yield user, text(record.get("product_id")), text(record.get("date"))


@lru_cache(maxsize=1 << 14)
def _day(posted: str) -> tuple[bool, int] | None:
    """Whether a date says its year, and the seconds from 1970 to it, in :data:`YEARLESS` where not."""
    posted = posted.strip()
    try:
        if match := _POSTED.fullmatch(posted):
            month, day, year = match[1], match[2], match[3]
        elif match := _POSTED_BRITISH.fullmatch(posted):
            day, month, year = match[1], match[2], match[3]
        else:
            return True, int(datetime.fromisoformat(posted).replace(tzinfo=UTC).timestamp())
        return year is not None, _seconds(int(year or YEARLESS), MONTHS.index(month.lower()) + 1, int(day))
    except ValueError:
        return None


def _seconds(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def _fill_years(parts: list[tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Steam leaves out the year of the day on which the page was read, so it is the one after the latest that is
    said."""
    count = sum(int(yearless.sum()) for _, yearless in parts)
    if not count:
        return []
    latest = [int(times[dated].max()) for times, yearless in parts if (dated := ~yearless & (times != NONE)).any()]
    year = datetime.fromtimestamp(max(latest), UTC).year + 1 if latest else 2000
    for times, yearless in parts:
        for at in np.unique(times[yearless]).tolist():
            moment = datetime.fromtimestamp(at, UTC)
            leap = moment.month == 2 and moment.day == 29
            times[yearless & (times == at)] = _seconds(year, 3, 1) if leap else _seconds(year, moment.month, moment.day)
    taken = plural(count, "date without a year is", "dates without a year are")
    return [f"{taken} taken for {year}, the year after the latest one given"]


READER = Steam()
