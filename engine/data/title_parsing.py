"""Turns catalogue-style titles ("Empire Strikes Back, The (1980)") into titles as people write them."""

from __future__ import annotations

import re
import unicodedata
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
_YEAR_CELL = re.compile(r"([+-]?\d{1,4})(?:\.0*|-\d\d?-\d\d?)?", re.ASCII)

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: letters of Persian and Indic words, and the glue of emoji."""
_LOOSE_JOINER = re.compile(rf"(?<!\S)[{JOINERS}]+|[{JOINERS}]+(?!\S)")
"""Joiners that join nothing."""
_FLAG = re.compile("(\U0001f3f4[\U000e0030-\U000e007a]{2,8}\U000e007f)")
"""Flags such as Scotland's: a black flag, its region in invisible tags, and the end of these."""
_SIGNS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Formatting characters that can be seen, such as the Arabic sign of a year."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that count as letters, marks or symbols and show nothing by themselves."""
_NEVER = re.compile(
    "[\u2065\ufdd0-\ufdef\ufff0-\ufff8\U000e0000-\U000e0fff]|[^\0-\ufffd\U00010000-\U0001fffd\U00020000-\U0003fffd]"
)
"""Code points that are no characters, or invisible ones, or in planes without anything to read."""
NO_WORD = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>", "nat", "\\n"})
"""How tables write that a text is missing, in lower case."""


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


def title_and_year(text: str, year: int | None) -> tuple[str, int | None]:
    """A title without the year at its end, where ``year``, from a column of its own, says the same or nothing.

    A year that is off by one is the same, as premieres and releases differ; another one belongs to the title
    (``"Wonder Woman (1984)"``, 2020).
    """
    while True:
        title, own = split_year(text)
        if own is None or (year is not None and abs(own - year) > 1):
            return text, year
        text, year = title, own if year is None else year


def year_of(cell: str) -> int | None:
    """The year in a cell such as ``1999``, ``1999.0`` or ``1999-03-31``; ``None`` for a missing one, which 0 and
    negative ones are too.

    Raises:
        ValueError: it is something else.
    """
    if cell.lower() in NO_WORD:
        return None
    match = _YEAR_CELL.fullmatch(cell)
    if match is None:
        raise ValueError(cell)
    return int(match[1]) if int(match[1]) > 0 else None


def article_first(title: str) -> str:
    """``"Empire Strikes Back, The"`` -> ``"The Empire Strikes Back"``; ``"Enfer, L'"`` -> ``"L'Enfer"``."""
    match = _ARTICLE_BEHIND.match(title)
    if match is None:
        return title
    return f"{match[2]}{'' if match[2].endswith(chr(39)) else ' '}{match[1]}"


def clean(text: str) -> str:
    """One line of text that shows what it holds, in Unicode's composed form.

    Control characters become spaces, runs of white space one space. Formatting characters go, save those that make
    words and emoji what they are: joiners within them, the tags of flags, and signs that can be seen. What turns the
    direction of writing goes too, since whoever puts a title into a sentence isolates it.
    """
    if not text.isprintable():
        parts = _FLAG.split(text)
        parts[::2] = ["".join(map(_shown, part)) for part in parts[::2]]
        text = _LOOSE_JOINER.sub("", "".join(parts))
    text = " ".join(text.split())
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _shown(char: str) -> str:
    return char if _stays(char) else "" if unicodedata.category(char) == "Cf" else " "


def _stays(char: str) -> bool:
    if char.isprintable() or char in JOINERS or char in _SIGNS:
        return True
    younger = unicodedata.category(char) == "Cn"  # than this Python: a letter or an emoji, unless it never will be one
    return younger and not _NEVER.match(char)


def shows_nothing(text: str) -> bool:
    """Whether a reader would see no character of a cleaned text."""
    return not _UNSEEN.sub("", text).strip(f" {JOINERS}")


def seen(text: str) -> str:
    """What a reader goes by: two texts of which this is equal can hardly be told apart."""
    if text.isascii():
        return text.casefold()
    return clean(unicodedata.normalize("NFD", visible(text)).casefold())


def visible(text: str) -> str:
    """Without the characters that are not seen."""
    return text if text.isascii() else _UNSEEN.sub("", text).translate(dict.fromkeys(map(ord, JOINERS)))


def plain_id(text: str) -> str:
    """An id as written in a file, without the blanks around it; what cannot be seen is spelled out (``<U+200B>``).

    Ids are compared, not read: two of them that differ only in invisible characters stay two, and can be told apart.
    """
    text = text.strip()
    if text.isprintable():
        return text
    text = "".join(char if _stays(char) else _spelled(char) for char in text)
    return _LOOSE_JOINER.sub(lambda loose: "".join(map(_spelled, loose[0])), text)


def _spelled(char: str) -> str:
    return f"<U+{ord(char):04X}>"
