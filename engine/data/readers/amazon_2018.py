"""Amazon reviews until October 2018: JSON; in tables of ratings the item stands before the user."""

from __future__ import annotations

from engine.config import DataConfig
from engine.data.readers.amazon import Amazon
from engine.data.readers.mcauley import AMAZON_2018, mirrored
from engine.data.remote import RemoteFile


class Amazon2018(Amazon):
    name = "amazon-2018"
    title = "Amazon 2018"
    about = "reviews and items of 29 categories, 1996 to 2018, e.g. Office_Products: 800,357 by 101,501 people (5-core)"
    files = "CATEGORY_5.json.gz, CATEGORY.json.gz or CATEGORY.csv, with meta_CATEGORY.json.gz"
    year = 2018
    rated = ("item", "user", "rating", "time")
    choices = AMAZON_2018

    def remotes(self, config: DataConfig) -> tuple[RemoteFile, ...]:
        category = self.chosen(config)
        names = {f"{category}_5.json.gz": "categoryFilesSmall", f"meta_{category}.json.gz": "metaFiles2"}
        return tuple(RemoteFile(name, mirrored(f"amazon_v2/{folder}/{name}")) for name, folder in names.items())


READER = Amazon2018()
