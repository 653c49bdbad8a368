"""Finds the items that people mean when they type titles."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from engine.data.catalogue import Catalogue
from engine.data.naming import ARTICLES, JOINERS, article_first, clean, split_year
from engine.errors import StudioError

ACCEPT = 85.0
"""Scores from here on count as a match."""
SUGGEST = 70.0
"""Scores from here on are worth suggesting."""
SHORT = 6
"""Shorter titles must be met exactly: one letter turns "Rocky" into "Rock" and "Alien" into "Aliens"."""
MAX_TITLES = 500
"""Longest list that :func:`parse_titles` takes."""

_BULLET = re.compile(r"^(?:[-*•]\s*|\d{1,3}[.)]\s+)")
_LEADING = re.compile(rf"^(?:{'|'.join(article.lower() for article in ARTICLES if article.isalpha())}) (?=.)")
_BARE_YEAR = re.compile(r"^(.*\S),? ((?:19|20)\d\d)$")
_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_DIGITS = {word: str(number) for number, word in enumerate(_SPELLED)}
_DIGITS |= {"ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}


@dataclass(frozen=True)
class TitleMatch:
    """What became of one typed title."""

    query: str
    item: int | None
    """Dense item id, or None where nothing is close enough."""
    score: float
    """Likeness of the best title, 0 to 100."""
    suggestions: tuple[int, ...]
    """Other items that might be meant, best first."""


def parse_titles(text: str) -> list[str]:
    """Titles from a line such as ``"Toy Story; Star Wars"`` or from one title per line; bullets, numbering and
    surrounding quotes go.

    Raises:
        StudioError: more than 500 titles.
    """
    titles = [_BULLET.sub("", part.strip()).strip().strip('"“”') for part in re.split(r"[;\n\r]", text)]
    titles = [title for title in map(clean, titles) if title]
    if len(titles) > MAX_TITLES:
        raise StudioError(f"{len(titles)} titles", where="titles", remedy=f"give at most {MAX_TITLES}")
    return titles


def match_titles(catalogue: Catalogue, queries: Sequence[str], *, suggestions: int = 3) -> list[TitleMatch]:
    """The item behind each query, forgiving about letter case, accents, articles, punctuation, numerals, subtitles,
    typos and a missing year; alternative titles count.

    What tells films apart is not forgiven: a wrong year (by more than one) or another sequel number is suggested, never
    taken. Among equals the year decides, then the place in the catalogue. One's own titles (ids from ``n_known``) are
    not searched.

    Args:
        suggestions: most suggestions per query.
    """
    index = _Index(catalogue)
    return [index.match(clean(query), suggestions) for query in queries]


class _Index:
    """All ways to write each title, normalised once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.keys: list[str] = []
        self.items: list[int] = []
        self.weights: list[float] = []
        shortened: dict[str, list[int]] = {}
        for item in range(catalogue.n_known):
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

    def match(self, query: str, suggestions: int) -> TitleMatch:
        best: dict[int, float] = {}
        for key, year in _readings(query):
            for row, score in self._alike(key):
                item = self.items[row]
                best[item] = max(best.get(item, 0.0), self._judge(key, year, row, score))
        ranked = sorted((item for item in best if best[item] >= SUGGEST), key=lambda item: (-best[item], item))
        found = ranked[0] if ranked and best[ranked[0]] >= ACCEPT else None
        others = tuple(item for item in ranked if item != found)[:suggestions]
        return TitleMatch(query, found, best[ranked[0]] if ranked else 0.0, others)

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


def _readings(query: str) -> set[tuple[str, int | None]]:
    """What a query may mean, as key and year: a number at its end may be a year or part of the title."""
    title, year = split_year(query)
    readings = {(_key(title), year), (_key(query), None)}
    if bare := _BARE_YEAR.match(query):
        readings.add((_key(bare[1]), int(bare[2])))
    return readings


def _key(title: str) -> str:
    """Lower case, no accents or punctuation, leading article dropped, numbers as digits."""
    plain = unicodedata.normalize("NFKD", article_first(title).casefold().replace("&", " and "))
    letters = "".join(char for char in plain if not unicodedata.combining(char) and char not in f"'’.*{JOINERS}")
    words = [_DIGITS.get(word, word) for word in re.sub(r"[\W_]+", " ", letters).split()]
    kept = [word for position, word in enumerate(words) if word != "part" or position == 0]
    return _LEADING.sub("", " ".join(kept))


def _main_part(title: str) -> str | None:
    """What stands before a subtitle: ``"Terminator 2: Judgment Day"`` -> ``"Terminator 2"``."""
    head, separator, _ = re.sub(r",? or:? ", ": ", title, count=1).partition(": ")
    return head if separator and len(head) >= 4 else None


def _numbers(key: str) -> list[str]:
    return re.findall(r"\d+", key)
