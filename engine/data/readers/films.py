"""What the MovieLens data sets share: where they are, and how they write titles and genres."""

from __future__ import annotations

import re

from engine.config import DataConfig
from engine.data.item_texts import tidy
from engine.data.raw import RawItem
from engine.data.readers.downloaded import Downloaded
from engine.data.remote import RemoteFile
from engine.data.title_parsing import natural_title

_SPAN = re.compile(r"\((\d{4})\s*[-–—]\s*(?:\d{4})?\s*\)\s*$")
"""The years of a series: ``(2006–2007)``, ``(2009– )``."""
_CALLED = re.compile(r"^a\.?k\.?a\.?\s+", re.IGNORECASE)
NO_GENRES = "(no genres listed)"


GROUPLENS = "https://files.grouplens.org/datasets/movielens/"


class MovieLens(Downloaded):
    """In one of GroupLens' archives, which :attr:`choices` name; beside each, its MD5 is published."""

    domain = "movie"

    def remotes(self, config: DataConfig) -> tuple[RemoteFile, ...]:
        name = f"{self.chosen(config)}.zip"
        return (RemoteFile(name, (f"{GROUPLENS}{name}",), md5="+"),)


def film(raw: str, published: str, genres: tuple[str, ...] = (), year: int | None = None) -> RawItem:
    """A film by its title as published, e.g. ``"Seven (a.k.a. Se7en) (1995)"``; ``year`` where a column says it."""
    natural = natural_title(_SPAN.sub(r"(\1)", tidy(published)))
    return RawItem(
        raw,
        natural.title,
        natural.year if year is None else year,
        tuple(genre for genre in genres if genre != NO_GENRES),
        aliases=tuple(_CALLED.sub("", alias) for alias in natural.aliases),
    )
