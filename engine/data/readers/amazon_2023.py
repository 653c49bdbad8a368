"""Amazon reviews until September 2023: times in milliseconds, items by ``parent_asin``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from engine.config import DataConfig
from engine.data.files import File
from engine.data.place import Place
from engine.data.raw import LogBuilder, RawIdFilter, RawItem
from engine.data.readers.amazon import Amazon, below_root, brand
from engine.data.readers.amazon_files import PARTS, category_of
from engine.data.readers.mcauley import AMAZON_2023, mirrored
from engine.data.records import JsonRecord, records, text, texts
from engine.data.remote import RemoteFile
from engine.data.sheet import Sheet
from engine.monitor import Monitor


class Amazon2023(Amazon):
    name = "amazon-2023"
    title = "Amazon 2023"
    about = "reviews and items of 33 categories, 1996 to 2023; 5-core files with times in milliseconds"
    files = "CATEGORY.train.csv.gz, .valid and .test, CATEGORY.csv.gz or CATEGORY.jsonl.gz, with meta_CATEGORY.jsonl.gz"
    year = 2023
    meta = "meta_{c}.jsonl"

    choices = AMAZON_2023

    def remotes(self, config: DataConfig) -> tuple[RemoteFile, ...]:
        category = self.chosen(config)
        split = f"amazon_2023/benchmark/5core/last_out_w_his/{category}"
        parts = (RemoteFile(f"{category}.{part}.csv.gz", mirrored(f"{split}.{part}.csv.gz")) for part in PARTS)
        meta = f"meta_{category}.jsonl.gz"
        return (*parts, RemoteFile(meta, mirrored(f"amazon_2023/raw/meta_categories/{meta}")))

    def categories(self, place: Place) -> dict[str, list[File]]:
        found: dict[str, list[File]] = {}
        for name, files in super().categories(place).items():
            category, _, part = name.rpartition(".")
            if part.lower() not in PARTS:
                found[name] = files
                continue
            stem, ending = re.escape(category), r"(?:\.\w+)*"
            own = rf"{stem}\.{part}{ending}"
            parts = [place.pair([rf"{stem}\.{kind}{ending}"], [own]) for kind in PARTS]
            found.setdefault(category, [pair[0] for pair in parts if pair])
        return found

    def interactions(self, files: list[File], log: LogBuilder, monitor: Monitor) -> Iterable[str]:
        """Parts of a leave-last-out split add up. Where the training part is not among them, the histories of the
        others stand for it."""
        parts = {category_of(file).rpartition(".")[2].lower() for file in files}
        if "train" not in parts and parts & {*PARTS}:
            for file in files:
                _read_histories(file, log, monitor)
            return ("the training part is lacking: histories stand for it, at the time of what followed",)
        return super().interactions(files, log, monitor)

    def read_ratings(self, file: File, log: LogBuilder, monitor: Monitor) -> None:
        sheet, user, item, when = _columns(file, monitor)
        for batch in sheet.log(user, item, when):
            log.add(*batch)

    fields = ("user_id", "parent_asin", "timestamp")

    def review(self, record: JsonRecord) -> tuple[str, str, str]:
        moment = record.get("timestamp", record.get("sort_timestamp"))
        return text(record.get("user_id")), text(record.get("parent_asin") or record.get("asin")), text(moment)

    def items(self, file: File, id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        for record in records(file, monitor, "parent_asin", id_filter):
            raw = text(record.get("parent_asin"))
            if raw in id_filter:
                details = record.get("details")
                maker = brand(details.get("Brand")) if isinstance(details, dict) else ""
                maker = maker or brand(record.get("store"))
                yield RawItem(raw, text(record.get("title")), genres=self.path(record), brand=maker)

    def path(self, record: JsonRecord) -> tuple[str, ...]:
        return below_root(texts(record.get("categories"))) or below_root(texts(record.get("main_category")))


def _columns(file: File, monitor: Monitor) -> tuple[Sheet, int, int, int]:
    sheet = Sheet(file, ",", monitor)
    places = (sheet.need("users", "user_id"), sheet.need("items", "parent_asin", "asin"))
    return sheet, *places, sheet.need("times", "timestamp")


def _read_histories(file: File, log: LogBuilder, monitor: Monitor) -> None:
    sheet, user, item, when = _columns(file, monitor)
    for columns in sheet.batches((user, item, when, sheet.place("history"))):
        users: list[str] = []
        items: list[str] = []
        times: list[str] = []
        for buyer, bought, moment, history in zip(*columns, strict=True):
            chosen = [*history.split(), bought]
            users += [buyer] * len(chosen)
            items += chosen
            times += [moment] * len(chosen)
        log.add(users, items, times)


READER = Amazon2023()
