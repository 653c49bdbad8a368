"""What prompts call an item and what people do with it: a new domain is a line here. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple


class DomainWords(NamedTuple):
    """Nouns and verbs of a domain; the noun is one word, verbs may be several."""

    noun: str
    does: str
    done: str
    chose: tuple[str, str] = ("chose", "chosen")
    """What sentences about a recommendation say that users did with items, and that they had."""
    person: str = "customer"
    """What such sentences call a user."""


DOMAINS: Mapping[str, DomainWords] = {
    "movie": DomainWords("movie", "watches", "Watched", ("watched", "watched"), "viewer"),
    "game": DomainWords("game", "plays", "Played", ("played", "played"), "player"),
    "book": DomainWords("book", "reads", "Read", ("read", "read"), "reader"),
    "item": DomainWords("item", "buys", "Bought"),
}
"""By the name in the settings and in :attr:`engine.data.readers.base.Reader.domain`."""

if TYPE_CHECKING:
    Domain = str
else:
    Domain = Literal[("auto", *DOMAINS)]
