"""Turns catalogue-style titles ("Empire Strikes Back, The (1980)") into titles as people write them."""

from __future__ import annotations

import re
from typing import NamedTuple

ARTICLES = (
    *("The", "A", "An"),
    *("La", "Le", "Les", "L'", "Un", "Une"),
    *("El", "Los", "Las", "Una", "O", "Os"),
    *("Il", "Lo", "I", "Gli", "Uno"),
    *("Der", "Die", "Das", "Ein", "Eine"),
    *("De", "Het", "Een", "Den", "Det", "En", "Ett"),
)
"""Articles that catalogues move behind a comma, by language: English, French, Spanish/Portuguese, Italian, German,
Dutch/Scandinavian."""

_MEDIUM = re.compile(r"\s*\((?:V|TV|VG)\)$")
_YEAR = re.compile(r"\s*\((1[89]\d\d|20\d\d)(?:/[IVX]+)?\)$")
_ALIAS = re.compile(r"^(.*\S)\s*\(([^()]+)\)$")
_ARTICLE_BEHIND = re.compile(rf"^(.+), ({'|'.join(ARTICLES)})$", re.IGNORECASE)


class NaturalTitle(NamedTuple):
    """A title taken apart."""

    title: str
    year: int | None
    aliases: tuple[str, ...]
    """Alternative titles that stood in parentheses, such as the original one."""


def natural_title(text: str) -> NaturalTitle:
    """Split ``"Hate (Haine, La) (1995)"`` into ``("Hate", 1995, ("La Haine",))``.

    A mark of the medium, such as the ``(V)`` of videos, is dropped.
    """
    rest, year = split_year(_MEDIUM.sub("", clean(text)))
    match = _ALIAS.match(rest)
    if match is None:
        return NaturalTitle(article_first(rest), year, ())
    return NaturalTitle(article_first(match[1]), year, (article_first(match[2]),))


def split_year(text: str) -> tuple[str, int | None]:
    """``"Heat (1995)"`` -> ``("Heat", 1995)``; a title without a year at its end comes back as it is."""
    match = _YEAR.search(text)
    if match is None or match.start() == 0:
        return text, None
    return text[: match.start()], int(match[1])


def article_first(title: str) -> str:
    """``"Empire Strikes Back, The"`` -> ``"The Empire Strikes Back"``; ``"Enfer, L'"`` -> ``"L'Enfer"``."""
    match = _ARTICLE_BEHIND.match(title)
    if match is None:
        return title
    return f"{match[2]}{'' if match[2].endswith(chr(39)) else ' '}{match[1]}"


def clean(text: str) -> str:
    """One line: control and formatting characters become spaces, runs of white space one space."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())
