"""Amazon reviews until July 2014: reviews as JSON, items as Python dictionaries, times in whole days."""

from __future__ import annotations

from engine.data.files import File
from engine.data.raw import LogBuilder
from engine.data.readers.amazon import Amazon, headless, kinds_of
from engine.data.records import Record
from engine.monitor import Monitor


class Amazon2014(Amazon):
    name = "amazon-2014"
    title = "Amazon 2014"
    about = "reviews and items of 24 categories, 1996 to 2014, e.g. Beauty: 198,502 by 22,363 people (5-core)"
    files = "reviews_CATEGORY_5.json.gz, reviews_CATEGORY.json.gz or ratings_CATEGORY.csv, with meta_CATEGORY.json.gz"
    reviews = (r"reviews_{c}_5\.json", r"reviews_{c}\.json")
    ratings = (r"ratings_{c}\.csv",)
    meta = r"meta_{c}\.json"

    def read_ratings(self, file: File, log: LogBuilder, monitor: Monitor) -> None:
        headless(file, ("user", "item", "rating", "time"), log, monitor)

    def path(self, record: Record) -> tuple[str, ...]:
        return kinds_of(record.get("categories"))


READER = Amazon2014()
