"""Texts of items as data sets publish them, and what is wrong with some."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from html.entities import html5
from typing import Literal

from engine.data.raw import RawItem
from engine.data.title_parsing import clean, shows_nothing

TextFields = Literal["title", "title+category", "title+brand"]
TitleFault = Literal["broken", "untitled"]
MOST_TITLE = 2000
"""Characters of a title that are kept; prompts cut it much shorter."""
MOST_GENRES, MOST_BRAND = 3, 60
"""Genres of an item that prompts name, and characters of its brand."""
NOTHING = frozenset({"", "nan", "none", "null", "n/a", "<na>"})
"""How files write that a text is missing, in lower case."""

_ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6})?(?(1)|[a-zA-Z][a-zA-Z0-9]{1,31});")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)|^\d{1,3}(?:\.0*)?$")
_SCRIPT = re.compile(r"getTime|<script|\bfunction\s*\(|\bvar \w+ ?=|\bdocument\.\w+\(|\bwindow\.\w+ ?=")


def tidy(text: str, unescape: bool = True, as_written: bool = False) -> str:
    """One line without HTML entities (``&amp;#39;`` was escaped twice) and outer blanks; nothing for ``nan``, unless
    ``as_written``."""
    while unescape and "&" in text and (plain := _ENTITY.sub(_letter, text)) != text:
        text = plain
    text = clean(text)
    return "" if text.lower() in NOTHING and not as_written else text


@lru_cache(maxsize=1 << 14)
def _kind(text: str, unescape: bool) -> str:
    """A genre: few are met, often."""
    return tidy(text, unescape)


def _letter(entity: re.Match[str]) -> str:
    """Only whole names: ``&notes;`` is no ``&not``, as browsers would have it."""
    return html.unescape(entity[0]) if entity[1] else html5.get(entity[0][1:], entity[0])


def tidied(item: RawItem, unescape: bool, as_written: bool = False) -> tuple[RawItem, TitleFault | None]:
    """An item with tidy texts, and what is wrong with its title: page script instead of it, or nothing to read.

    ``as_written``: of a title of somebody's own only that it shows nothing can be wrong.
    """
    title = tidy(item.title, unescape, as_written)
    fault: TitleFault | None = "broken" if not as_written and _SCRIPT.search(title) else None
    if shows_nothing(title) or not (as_written or any(map(_is_visible, title))):
        title, fault = "", "untitled"
    genres = dict.fromkeys(part for genre in item.genres if (part := _kind(genre, unescape)))
    aliases = tuple(part for alias in item.aliases if (part := tidy(alias, unescape)))
    return item._replace(
        title=title[:MOST_TITLE],
        genres=tuple(genres),
        brand=_kind(item.brand, unescape)[:MOST_TITLE],
        aliases=aliases,
    ), fault


def _is_visible(char: str) -> bool:
    """Letters, digits and symbols do, emoji among them; punctuation alone is no title."""
    return char.isalnum() or unicodedata.category(char)[0] == "S" or char > "\U0001efff"


def detail(item: RawItem, choice: TextFields) -> str:
    """What ``data.text`` has prompts say behind a title: ``" [Skin Care, Face]"`` or ``" by Nivea"``.

    Semicolons part the titles of a prompt, so none stays. A brand that the title names is not said again.
    """
    text = ""
    if choice == "title+category" and item.genres:
        text = f" [{', '.join(item.genres[:MOST_GENRES])}]"
    elif choice == "title+brand" and item.brand and item.brand.casefold() not in item.title.casefold():
        text = f" by {item.brand[:MOST_BRAND]}"
    return text.replace(";", ",")


def year_in(cell: str) -> int | None:
    """The year in ``1999``, ``2008.0``, ``1999-03-31`` or ``Mar 31, 1999``; None for 0, for years before it, and for
    anything else."""
    match = _YEAR.search(cell.strip())
    return int(match[0].split(".")[0]) or None if match and not cell.strip().startswith("-") else None
