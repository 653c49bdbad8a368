"""Which of Amazon's data sets a file is of, and what it holds: by its first records or rows, however it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from engine.data import sniffing
from engine.data.files import File

ASIN = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")
"""What Amazon calls a product: its own number, or a book's ISBN."""
PARTS = ("train", "valid", "test")
"""Of a leave-last-out split, as files of 2023 are called."""
OLD = frozenset({2014, 2018})
"""Their reviews differ in fields that are not read here."""
YEARS = OLD | {2023}
_REVIEWS = {2014: {"helpful"}, 2018: {"verified", "style", "vote", "image"}}
_ITEMS = {
    2014: {"categories", "salesRank", "imUrl", "related"},
    2018: {"category", "also_buy", "also_view", "rank", "tech1", "main_cat", "similar_item", "feature"},
}
"""Fields that only one year has."""


class AmazonFileKind(NamedTuple):
    """What a file holds, and the years of which it may be."""

    role: Literal["reviews", "ratings", "items"]
    years: frozenset[int]

    def __str__(self) -> str:
        return f"{self.role} of Amazon {' or '.join(map(str, sorted(self.years)))}"


def kind_of(file: File) -> AmazonFileKind | None:
    """``None`` for a file of something else, or one that cannot be read."""
    names = sniffing.fields(file)
    if "parent_asin" in names or {"user_id", "asin"} <= names:
        return AmazonFileKind("reviews" if "user_id" in names else "items", frozenset({2023}))
    if {"reviewerID", "asin"} <= names:
        return AmazonFileKind("reviews", _years(names, _REVIEWS))
    if "asin" in names and ("title" in names or any(own & names for own in _ITEMS.values())):
        return AmazonFileKind("items", _years(names, _ITEMS))
    if names:
        return None
    return _of_name(file) if sniffing.holds_records(file) or not sniffing.first_lines(file) else _of_table(file)


def category_of(file: File) -> str:
    """The category that a file's name says, and the part of it where it is one: ``All_Beauty.train``."""
    name = re.sub(r"^(reviews|ratings|meta)_", "", file.called, flags=re.IGNORECASE)
    while "." in name.strip(".") and name.rpartition(".")[2].lower() not in PARTS:
        name = name.rpartition(".")[0]
    return re.sub(r"_5$", "", name)


def _years(names: frozenset[str], own: dict[int, set[str]]) -> frozenset[int]:
    """The year whose own fields are there; both where neither's or both's are."""
    years = {year for year, fields in own.items() if fields & names}
    return frozenset(years) if len(years) == 1 else OLD


def _of_table(file: File) -> AmazonFileKind | None:
    """Of rows: with a header in 2023, without one before, when users came first in 2014 and items in 2018."""
    names = sniffing.header(file)
    if {"user_id", "timestamp"} <= names and names & {"parent_asin", "asin"}:
        return AmazonFileKind("ratings", frozenset({2023}))
    rows = [row for row in sniffing.rows(file) if len(row) == 4 and re.fullmatch(r"\d+(\.\d+)?", row[3].strip())]
    before, behind = (_share(row[place] for row in rows) for place in (0, 1))
    if max(before, behind) <= 0.5:
        return None
    return AmazonFileKind("ratings", OLD if before == behind else frozenset({2018 if before > behind else 2014}))


def _of_name(file: File) -> AmazonFileKind | None:
    """Of a file at fault, so that reading it says what is the matter with it."""
    if not re.search(r"\.(jsonl?|csv)$", file.name, re.IGNORECASE):
        return None
    return AmazonFileKind("items" if file.name.lower().startswith("meta_") else "reviews", YEARS)


def _share(ids: Iterable[str]) -> float:
    found = [bool(ASIN.fullmatch(raw.strip())) for raw in ids]
    return sum(found) / len(found) if found else 0.0
