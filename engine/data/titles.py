"""Finds the items that people mean when they type titles: exact ones first, then those that are forgiven."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from engine.data.catalogue import Catalogue
from engine.data.references import ID, id_in
from engine.data.title_parsing import ARTICLES, JOINERS, article_first, clean, seen, split_year
from engine.errors import StudioError

ACCEPT = 85.0
"""Scores from here on count as a match."""
SUGGEST = 70.0
"""Scores from here on are worth suggesting."""
SHORT = 6
"""Shorter titles must be met exactly: one letter turns "Rocky" into "Rock" and "Alien" into "Aliens"."""
_BULLET = re.compile(r"^(?:[-*•]\s*|\d{1,3}[.)]\s+)")
_LEADING = re.compile(rf"^(?:{'|'.join(article.lower() for article in ARTICLES if article.isalpha())}) (?=.)")
_REFERENCE = re.compile(rf" \[{ID}.+\]$")
_BARE_YEAR = re.compile(r"^(.*\S),? ((?:19|20)\d\d)$")
_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_DIGITS = {word: str(number) for number, word in enumerate(_SPELLED)}
_DIGITS |= {"ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}


@dataclass(frozen=True)
class TitleMatch:
    """What became of one typed title."""

    query: str
    """As it was typed; without what a list puts before and around its titles, unless the title has just that."""
    item: int | None
    """Dense item id, or None where nothing is close enough."""
    score: float
    """Likeness of the best title, 0 to 100."""
    suggestions: tuple[int, ...]
    """Other items that might be meant, best first."""
    alike: tuple[int, ...] = ()
    """Those among them that are exactly what was typed, as ``item`` is: nothing in the text says which is meant."""


def match_titles(catalogue: Catalogue, queries: Sequence[str], *, suggestions: int = 3) -> list[TitleMatch]:
    """The item behind each query: the one that is called just so, or else one that is forgiven.

    Exact is the title as displayed, then without its year, then either with letter case and what cannot be seen set
    aside, then an alternative title. Forgiven are accents, articles, punctuation, numerals, subtitles, typos, a
    missing year, and a list's bullets, numbers and quotes. What tells films apart is not forgiven: a wrong year (by
    more than one) or another sequel number is suggested, never taken. Among equals the year decides, then how alike
    the texts are as they stand, then the place in the catalogue. One's own titles (ids from ``n_known``) are not
    searched.

    Args:
        suggestions: most suggestions per query, beside those that are exact.
    """
    index = _index(catalogue)
    return [index.match(clean(query), suggestions) for query in queries]


def exact_items(catalogue: Catalogue, query: str) -> list[int]:
    """Dense ids of the items that are called exactly so (see :func:`match_titles`), in the catalogue's order."""
    return _index(catalogue).exact(clean(query))


def referred(catalogue: Catalogue, entry: str, where: str = "titles") -> int | None:
    """The item that an entry such as ``"id:50"`` refers to; ``None`` for a title.

    Raises:
        StudioError: no item has that id, and none is called so.
    """
    raw_id = id_in(entry)
    if raw_id is None:
        return None
    item = catalogue.item_of(raw_id)
    if item is None and not exact_items(catalogue, entry):
        raise StudioError(f"no item has the id {raw_id[:80]!r}", where=where, remedy="write a known id, or a title")
    return item


def series_of(title: str) -> str:
    """What titles of one series have in common, their numbers and subtitles set aside: ``"star trek"`` for
    ``"Star Trek VI: The Undiscovered Country"``. A title that is in no series is alone with its own."""
    words = _key(_main_part(title) or title).split()
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    return " ".join(words)


def as_displayed(query: str, title: str) -> bool:
    """Whether what was typed is a displayed title, with or without its year or the id of a look-alike."""
    ways = (title, _REFERENCE.sub("", title))
    return seen(clean(query)) in {seen(text) for way in ways for text in (way, split_year(way)[0])}


@functools.lru_cache(maxsize=4)
def _index(catalogue: Catalogue) -> _Index:
    return _Index(catalogue)


class _Index:
    """All ways to write each title, normalised once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.exactly: tuple[dict[str, list[int]], ...] = ({}, {}, {}, {}, {})
        """Items by displayed title, title, both of these as they are seen, and alternative title."""
        self.keys: list[str] = []
        self.items: list[int] = []
        self.weights: list[float] = []
        shortened: dict[str, list[int]] = {}
        for item in range(catalogue.n_known):
            shown, title, *others = catalogue.display(item), catalogue.titles[item], *catalogue.aliases[item]
            ways = ([shown], [title], [seen(shown)], [seen(title)], map(seen, others))
            for known, texts in zip(self.exactly, ways, strict=True):
                for text in dict.fromkeys(texts):
                    known.setdefault(text, []).append(item)
            self._add(_key(catalogue.titles[item]), item, 1.0)
            for alias in catalogue.aliases[item]:
                self._add(_key(alias), item, 0.99)
            if main := _main_part(catalogue.titles[item]):
                shortened.setdefault(_key(main), []).append(item)
        for key, items in shortened.items():  # "Star Trek" alone names a series, no film
            for item in items:
                self._add(key, item, 0.97 if len(items) == 1 else (ACCEPT - 1) / 100)
        self.words = [set(key.split()) for key in self.keys]

    def _add(self, key: str, item: int, weight: float) -> None:
        self.keys.append(key)
        self.items.append(item)
        self.weights.append(weight)

    def exact(self, query: str) -> list[int]:
        for known, text in zip(self.exactly, (query, query, *[seen(query)] * 3), strict=True):
            if found := known.get(text):
                return found
        return []

    def match(self, query: str, suggestions: int) -> TitleMatch:
        bare = _unlisted(query)
        for text in dict.fromkeys((query, bare)):
            if exact := self.exact(text):
                item, *alike = exact
                others = [other for other, _ in self._forgiven(text) if other not in exact]
                return TitleMatch(text, item, 100.0, (*alike, *others[:suggestions]), tuple(alike))
        first: list[tuple[int, float]] = []
        for text in dict.fromkeys((bare, query)):
            ranked = self._forgiven(text)
            if ranked and ranked[0][1] >= ACCEPT:
                return TitleMatch(text, *ranked[0], tuple(item for item, _ in ranked[1 : suggestions + 1]))
            first = first or ranked
        return TitleMatch(bare, None, first[0][1] if first else 0.0, tuple(item for item, _ in first[:suggestions]))

    def _forgiven(self, query: str) -> list[tuple[int, float]]:
        """Items that are worth suggesting with their scores, best first."""
        best: dict[int, float] = {}
        for key, year in _readings(query):
            for row, score in self._alike(key):
                item = self.items[row]
                best[item] = max(best.get(item, 0.0), self._judge(key, year, row, score))
        ranked = [(-score, -self._likeness(query, item), item) for item, score in best.items() if score >= SUGGEST]
        return [(item, -score) for score, _, item in sorted(ranked)]

    def _likeness(self, query: str, item: int) -> float:
        """How alike the texts are with accents and punctuation as they stand: ``"C ++"`` is more like C++ than C."""
        ways = (self.catalogue.titles[item], self.catalogue.display(item))
        return max(fuzz.ratio(seen(query), seen(way)) for way in ways)

    def _alike(self, key: str) -> Iterator[tuple[int, float]]:
        """Rows with their likeness: by letters, or because all words of ``key`` occur (which only suggests)."""
        for _, score, row in process.extract(key, self.keys, scorer=fuzz.ratio, limit=25, score_cutoff=SUGGEST):
            yield row, score
        words = set(key.split())
        for row, known in enumerate(self.words):
            if words and words < known:
                yield row, max(SUGGEST, ACCEPT - len(known - words))

    def _judge(self, key: str, year: int | None, row: int, score: float) -> float:
        score *= self.weights[row]
        known = self.catalogue.years[self.items[row]]
        off = abs(year - known) if year is not None and known is not None else 0
        typo = self.keys[row] != key
        if off > 1 or (typo and (len(key) < SHORT or _numbers(key) != _numbers(self.keys[row]))):
            return min(score, ACCEPT - 1)
        return score - off


def _unlisted(query: str) -> str:
    """A line of a list without its bullet or number and without quotes; all of it where nothing else is left."""
    return clean(_BULLET.sub("", query).strip().strip('"“”')) or query


def _readings(query: str) -> set[tuple[str, int | None]]:
    """What a query may mean, as key and year: a number at its end may be a year or part of the title."""
    title, year = split_year(query)
    readings = {(_key(title), year), (_key(query), None)}
    if bare := _BARE_YEAR.match(query):
        readings.add((_key(bare[1]), int(bare[2])))
    return readings


def _key(title: str) -> str:
    """Lower case, no accents or punctuation, leading article dropped, numbers as digits; where nothing is left of a
    title, such as "!!!", the title itself."""
    plain = unicodedata.normalize("NFKD", article_first(title).casefold().replace("&", " and "))
    letters = "".join(char for char in plain if not unicodedata.combining(char) and char not in f"'’.*{JOINERS}")
    words = [_DIGITS.get(word, word) for word in re.sub(r"[\W_]+", " ", letters).split()]
    kept = [word for position, word in enumerate(words) if word != "part" or position == 0]
    return _LEADING.sub("", " ".join(kept)) or seen(title)


def _main_part(title: str) -> str | None:
    """What stands before a subtitle: ``"Terminator 2: Judgment Day"`` -> ``"Terminator 2"``."""
    head, separator, _ = re.sub(r",? or:? ", ": ", title, count=1).partition(": ")
    return head if separator and len(head) >= 4 else None


def _numbers(key: str) -> list[str]:
    return re.findall(r"\d+", key)
