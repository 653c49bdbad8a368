"""Long titles in sentences: cut for reading, with the whole title at hand. What is stored and checked is the whole."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.explain.report import ExplanationReport
from webapp.html import Html, join, tag

LONGEST = 48
"""Letters of a title that a sentence is read with easily; those of movies nearly always fit."""
IDENTIFIED = re.compile(r"^(.*) (\[id:[^\]]*\])$", re.DOTALL)
"""A title with the id by which it is told from its twins."""


def readable(text: str, answer: ExplanationReport, *more: str) -> Html:
    """A sentence about a recommendation, its long titles cut.

    Args:
        more: titles that it names which are neither in the history nor among the candidates.
    """
    titles = [*more, *(item.title for item in (*answer.history, *answer.candidates, answer.target))]
    plain = [found[1] for title in titles if (found := IDENTIFIED.match(title))]  # as the language model reads them
    short = shortened([*titles, *plain])
    if not short:
        return join(text)
    long = re.compile("|".join(map(re.escape, sorted(short, key=len, reverse=True))))
    pieces: list[Html | str] = []
    last = 0
    for match in long.finditer(text):
        pieces += [text[last : match.start()], tag("abbr", short[match[0]], title=match[0], class_="dr-title-cut")]
        last = match.end()
    return tag("span", pieces, text[last:])  # one element: in a row of a badge each piece would be a column


def shortened(titles: Iterable[str]) -> dict[str, str]:
    """By title, those that are long as their first words, so many that no other title begins so; ids stay."""
    known = set(titles)
    found = {}
    for title in (title for title in known if len(title) > LONGEST):
        words, identity = (at[1], f" {at[2]}") if (at := IDENTIFIED.match(title)) else (title, "")
        others = [other for other in known if other not in (title, words) and not other.startswith(f"{words} [id:")]
        blanks = [at.start() for at in re.finditer(r"\s", words)]
        within = [end for end in blanks if LONGEST // 2 <= end <= LONGEST][-1:] or [LONGEST]
        for end in (*within, *(end for end in blanks if end > LONGEST)):
            if identity or not any(other.startswith(words[:end]) for other in others):
                found[title] = f"{words[:end].rstrip(' ,;:.(&-–—/')}…{identity}"
                break
    return {title: cut for title, cut in found.items() if len(cut) < len(title)}
