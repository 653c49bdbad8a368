"""Titles while they are typed: the one that is called just so, beginnings of words, then what else may be meant."""

from __future__ import annotations

import unicodedata

from engine.data.catalogue import Catalogue
from engine.data.references import id_in
from engine.data.title_parsing import JOINERS, clean, seen
from engine.data.titles import exact_items, match_titles

MOST = 8


class TitleSearch:
    """Searches one catalogue again and again.

    Args:
        popularity: interactions by dense id; among equals the more popular title stands first.
    """

    def __init__(self, catalogue: Catalogue, popularity: list[int]) -> None:
        self.catalogue = catalogue
        self.popularity = popularity
        self.shown = [seen(catalogue.display(item)) for item in range(catalogue.n_known)]
        self.words = [_words(catalogue.display(item)) for item in range(catalogue.n_known)]

    def find(self, text: str, most: int = MOST) -> list[int]:
        """Dense ids of up to ``most`` items, best first, but of all that are called exactly so; none for an empty
        text. ``"id:50"`` finds the item with that id."""
        typed, raw_id = clean(text), id_in(text)
        if not typed:
            return []
        named = None if raw_id is None else self.catalogue.item_of(raw_id)
        found = dict.fromkeys([*([] if named is None else [named]), *exact_items(self.catalogue, typed)])
        exact = len(found)
        found |= dict.fromkeys(self._begun(seen(typed)))
        if len(found) < most:
            match = match_titles(self.catalogue, [typed], suggestions=most)[0]
            found |= dict.fromkeys([*([] if match.item is None else [match.item]), *match.suggestions])
        return list(found)[: max(most, exact)]

    def _begun(self, typed: str) -> list[int]:
        """Items some word of which each word typed begins; by the bare text where that has no word, as in "!!"."""
        words = _words(typed)
        if words:
            begun = [item for item, known in enumerate(self.words) if _begins(words, known)]
        else:
            begun = [item for item, shown in enumerate(self.shown) if typed in shown]
        more = " ".join(words) != typed  # accents or punctuation: titles that have them too come first
        return sorted(
            begun,
            key=lambda item: (
                self.words[item][: len(words)] != words,
                more and typed not in self.shown[item],
                -self.popularity[item],
            ),
        )


def _begins(typed: list[str], words: list[str]) -> bool:
    """Whether each word typed begins some word of the title."""
    return all(any(word.startswith(part) for word in words) for part in typed)


def _words(text: str) -> list[str]:
    """Words in lower case without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(char for char in plain if not unicodedata.combining(char) and char not in f"'’{JOINERS}")
    return "".join(char if char.isalnum() else " " for char in letters).split()
