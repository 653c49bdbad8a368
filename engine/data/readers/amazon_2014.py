"""Amazon reviews until July 2014: reviews as JSON, items as Python dictionaries, times in whole days."""

from __future__ import annotations

from engine.config import DataConfig
from engine.data.readers.amazon import Amazon
from engine.data.readers.mcauley import AMAZON_2014, SNAP
from engine.data.remote import RemoteFile


class Amazon2014(Amazon):
    name = "amazon-2014"
    title = "Amazon 2014"
    about = "reviews and items of 24 categories, 1996 to 2014, e.g. Beauty: 198,502 by 22,363 people (5-core)"
    files = "reviews_CATEGORY_5.json.gz, reviews_CATEGORY.json.gz or ratings_CATEGORY.csv, with meta_CATEGORY.json.gz"
    year = 2014
    choices = AMAZON_2014

    def remotes(self, config: DataConfig) -> tuple[RemoteFile, ...]:
        names = (f"reviews_{self.chosen(config)}_5.json.gz", f"meta_{self.chosen(config)}.json.gz")
        return tuple(RemoteFile(name, (f"{SNAP}{name}",)) for name in names)


READER = Amazon2014()
