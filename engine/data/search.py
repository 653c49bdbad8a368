"""Titles while they are typed: beginnings of words first, then what :func:`match_titles` thinks was meant."""

from __future__ import annotations

import unicodedata

from engine.data.catalogue import Catalogue
from engine.data.naming import JOINERS
from engine.data.titles import match_titles

MOST = 8


class TitleSearch:
    """Searches one catalogue again and again.

    Args:
        popularity: interactions by dense id; among equals the more popular title stands first.
    """

    def __init__(self, catalogue: Catalogue, popularity: list[int]) -> None:
        self.catalogue = catalogue
        self.popularity = popularity
        self.words = [_folded(catalogue.display(item)).split() for item in range(catalogue.n_known)]

    def find(self, text: str, most: int = MOST) -> list[int]:
        """Dense ids of up to ``most`` items, best first; none for an empty text."""
        typed = _folded(text).split()
        if not typed:
            return []
        begun = [item for item, words in enumerate(self.words) if _begins(typed, words)]
        begun.sort(key=lambda item: (self.words[item][: len(typed)] != typed, -self.popularity[item]))
        found = dict.fromkeys(begun[:most])
        if len(found) < most:
            match = match_titles(self.catalogue, [text], suggestions=most)[0]
            found |= dict.fromkeys([*([] if match.item is None else [match.item]), *match.suggestions])
        return list(found)[:most]


def _begins(typed: list[str], words: list[str]) -> bool:
    """Whether each word typed begins some word of the title."""
    return all(any(word.startswith(part) for word in words) for part in typed)


def _folded(text: str) -> str:
    """Lower case without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(char for char in plain if not unicodedata.combining(char) and char not in f"'’{JOINERS}")
    return "".join(char if char.isalnum() else " " for char in letters)
