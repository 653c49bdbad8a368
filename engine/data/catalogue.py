"""The items: titles outside, dense ids inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from engine.data.references import by_id
from engine.data.title_parsing import clean, seen, shows_nothing, split_year
from engine.errors import StudioError


@dataclass(frozen=True)
class ItemLabel:
    """An item that may be meant."""

    reference: str
    """What asks for it and for no other: ``"id:50"``."""
    title: str
    """What a reader chooses by; no other choice reads alike."""


@dataclass(frozen=True)
class Catalogue:
    """Items ``0 .. len-1``. All tuples have the same length.

    Two items may carry the same title and year (ML-100K has 18 such pairs). They stay separate, as in the data, but no
    reader can tell them apart: :attr:`look_alikes` says which they are, and candidate sets never hold both.
    """

    titles: tuple[str, ...]
    """Natural titles without the year."""
    years: tuple[int | None, ...]
    genres: tuple[tuple[str, ...], ...]
    """Genres, or categories from the general to the particular."""
    raw_ids: tuple[str, ...]
    """Ids in the data set's files."""
    aliases: tuple[tuple[str, ...], ...] = ()
    """Alternative titles, found by search but not displayed; empty for none at all."""
    brands: tuple[str, ...] = ()
    """Brand, author, developer or artist, "" where unknown; empty for none at all."""
    details: tuple[str, ...] = ()
    """What prompts say of an item behind its title (``data.text``), blank and brackets included; empty for nothing."""
    n_known: int = field(default=-1)
    """Items that teachers know: those of the data set. Ids from here on are one's own titles (see :meth:`extended`)."""

    def __post_init__(self) -> None:
        if not self.aliases:
            object.__setattr__(self, "aliases", ((),) * len(self.titles))
        for name in ("brands", "details"):
            if not getattr(self, name):
                object.__setattr__(self, name, ("",) * len(self.titles))
        if self.n_known < 0:
            object.__setattr__(self, "n_known", len(self.titles))
        columns = (self.titles, self.years, self.genres, self.raw_ids, self.aliases, self.brands, self.details)
        lengths = {len(part) for part in columns}
        if len(lengths) != 1:
            raise ValueError(f"a catalogue's columns differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.titles)

    def display(self, item: int) -> str:
        """The title as prompts and pages show it: ``"The Empire Strikes Back (1980)"``."""
        year = self.years[item]
        return self.titles[item] if year is None else f"{self.titles[item]} ({year})"

    def item_of(self, raw_id: str) -> int | None:
        """The item of the data set that has this id in its files."""
        return self._items.get(raw_id)

    @cached_property
    def _items(self) -> dict[str, int]:
        return {raw_id: item for item, raw_id in enumerate(self.raw_ids[: self.n_known])}

    def choice(self, item: int) -> ItemLabel:
        """The item as something to choose; its id stands beside the title where another item looks like it."""
        alike = item < self.n_known and self._alike[self.look_alikes[item]] > 1
        shown, reference = self.display(item), by_id(self.raw_ids[item])
        return ItemLabel(reference, f"{shown} [{reference}]" if alike else shown)

    @cached_property
    def _alike(self) -> np.ndarray:
        """int64 ``[items]``: how many items have this one for the first that looks like them."""
        return np.bincount(self.look_alikes, minlength=len(self))

    @cached_property
    def look_alikes(self) -> np.ndarray:
        """int64 ``[items]``: for each item the lowest id that is displayed alike (often itself): letter case, invisible
        characters and the ways to write one letter aside."""
        first: dict[str, int] = {}
        return np.array([first.setdefault(seen(self.display(item)), item) for item in range(len(self))], np.int64)

    def take(self, items: Sequence[int] | np.ndarray) -> Catalogue:
        """Only these items, in this order, with new ids from 0 on; none of one's own titles may be among them."""
        named = (column.name for column in fields(self) if column.name != "n_known")
        columns: dict[str, Any] = {name: tuple(getattr(self, name)[item] for item in items) for name in named}
        return Catalogue(**columns)

    def extended(self, titles: Sequence[str]) -> Catalogue:
        """This catalogue with one's own titles appended, one id each from ``len(self)`` on; ``n_known`` stays.

        A year in parentheses at a title's end becomes its year.

        Raises:
            StudioError: a title is empty.
        """
        own = [split_year(clean(title)) for title in titles]
        if any(shows_nothing(title) for title, _ in own):
            raise StudioError("a title is empty", where="titles", remedy="write at least one letter")
        start = len(self) - self.n_known
        return replace(
            self,
            titles=(*self.titles, *(title for title, _ in own)),
            years=(*self.years, *(year for _, year in own)),
            genres=(*self.genres, *(() for _ in own)),
            raw_ids=(*self.raw_ids, *(f"own-{start + position}" for position in range(1, len(own) + 1))),
            aliases=(*self.aliases, *(() for _ in own)),
            brands=(*self.brands, *("" for _ in own)),
            details=(*self.details, *("" for _ in own)),
        )
