"""The settings of the data: which, what is left out, how it is split and asked."""

from __future__ import annotations

import csv
from typing import Literal

from pydantic import field_validator

from engine import datasets, encodings
from engine.config_base import Section
from engine.config_base import setting as _field
from engine.domains import Domain

PROTOCOL = frozenset({"domain", "split", "history", "candidates", "negatives"})
"""Settings of the section that ask about the data and do not change what is read."""
ROLES = ("user", "item", "timestamp", "title", "year", "genres", "brand", "aliases")
"""What a column of somebody's own tables can be."""


class DataConfig(Section):
    """Interactions, split and candidates (protocol)."""

    dataset: str = _field("ml-100k", choices=datasets.names, pattern=datasets.NAME)
    """Name of the data set, or csv for your own tables; 'delrec data list' says what each is."""
    path: str | None = _field(None)
    """The data set's files: a folder, an archive or a file, as downloaded; empty takes what was fetched or imported."""
    category: str | None = _field(None, choices=datasets.fetched_parts)
    """Part of a data set that has several: Beauty or Home_and_Kitchen of Amazon, ml-25m; empty takes the only one."""
    columns: str | None = _field(None)
    """With csv, what columns are, e.g. user=uid,item=sku,timestamp=when,title=name; - for none, places from 1 where the
    first line names none; the rest is guessed."""
    encoding: str = _field(encodings.UTF8, choices=lambda: encodings.USUAL)
    """Of the files' text, e.g. cp1252, gb18030, or another that Python knows; files that begin with a mark (UTF-16 and
    UTF-8 of some programs) say theirs themselves."""
    domain: Domain = _field("auto", advanced=True)
    """Chooses the nouns and verbs of the prompts; auto: by the data set."""
    split: Literal["leave-one-out", "temporal", "cold-items"] = _field("leave-one-out")
    """Leave-one-out: each user's last item tests, the one before validates. Temporal: 8:1:1 by time over all users.
    Cold-items: some items are kept out of all training; each user's last choice of one of them tests."""
    cold_share: float = _field(0.1, advanced=True, gt=0.0, lt=1.0)
    """With split=cold-items: share of the items, drawn with the seed, that no model is trained on."""
    history: int = _field(10, unit="items", ge=1, le=200)
    """History items shown to the LLM (n)."""
    candidates: int = _field(20, unit="items", ge=2, le=1000)
    """Candidates per user: the true next item and m-1 unseen ones."""
    negatives: Literal["uniform", "popularity"] = _field("uniform")
    """How unseen candidates are drawn: all alike, or by popularity."""
    text: Literal["title", "title+category", "title+brand"] = _field("title")
    """What the language model reads of an item: title; title and categories or genres; title and brand or author."""
    min_interactions: int = _field(5, unit="interactions", advanced=True, ge=3)
    """Users with fewer interactions are left out, again and again, until all users and items left have enough."""
    min_item_interactions: int | None = _field(None, unit="interactions", advanced=True, ge=1)
    """Items with fewer interactions are left out likewise; empty: 5 for Amazon, Steam and the paper's names, else 1."""
    repeats: Literal["first", "last"] = _field("first", advanced=True)
    """Which of a user's repeated interactions with an item counts; the others are dropped."""
    unlisted: Literal["drop", "id"] = _field("drop", advanced=True)
    """Items that the items file lacks are left out, or shown by their id."""
    untitled: Literal["id", "drop"] = _field("id", advanced=True)
    """Items listed without a title are shown by their id, or left out."""
    broken_titles: Literal["drop", "id"] = _field("drop", advanced=True)
    """Items with page script for a title (Amazon 2018) are left out, or shown by their id."""
    unescape: bool = _field(True, advanced=True)
    """Turn HTML entities in texts into letters."""
    unused_items: bool = _field(False, advanced=True)
    """Keep items of the items file that nobody chose: they are candidates and may be recommended."""

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, name: str) -> str:
        return encodings.known(name)

    @field_validator("columns")
    @classmethod
    def _columns(cls, text: str | None) -> str | None:
        if text:
            parse_columns(text)
        return text or None


def parse_columns(text: str | None) -> dict[str, str]:
    """``data.columns`` by role; a part whose column has a comma in its name stands in double quotes, as in CSV.

    Raises:
        ValueError: it cannot be understood.
    """
    assigned: dict[str, str] = {}
    try:
        parts = next(csv.reader([text], skipinitialspace=True)) if text else []
    except csv.Error as error:
        raise ValueError(f"{text!r} is not understood ({error})") from None
    for part in parts:
        role, _, name = (piece.strip() for piece in part.partition("="))
        if role not in ROLES or not name or role in assigned:
            twice = f"{role} comes twice" if role in assigned else f"{part.strip()!r} is not understood"
            raise ValueError(f"{twice}: write ROLE=COLUMN, parted by commas; roles are {', '.join(ROLES)}")
        assigned[role] = name
    return assigned
