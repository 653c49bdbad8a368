"""Right-to-left titles in left-to-right sentences: isolated, so that neither turns the other.

Without isolation a sentence that begins with such a title takes its direction, and numbers and punctuation behind the
title move to its other side.
"""

from __future__ import annotations

import re

FIRST_STRONG, POP = "\u2068", "\u2069"
"""Unicode's marks around text that has a direction of its own."""
_RIGHT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff"
"""Hebrew, Arabic, Syriac, Thaana, N'Ko and their like."""
_RUN = re.compile(rf"{FIRST_STRONG}[^{FIRST_STRONG}{POP}]*{POP}|[{_RIGHT}](?:[\W\d_]*[{_RIGHT}])*")
_ANY = re.compile(f"[{_RIGHT}]")


def isolated(title: str) -> str:
    """A title as it may stand in a sentence: as it is, or between marks if it holds right-to-left letters."""
    return f"{FIRST_STRONG}{title}{POP}" if _ANY.search(title) else title


def pieces(text: str) -> list[tuple[str, bool]]:
    """A text in pieces, in order, and whether each has a direction of its own: what stands between marks, which go,
    and runs of right-to-left words."""
    if text.isascii():
        return [(text, False)]
    found, last = [], 0
    for match in _RUN.finditer(text):
        found += [(text[last : match.start()], False), (match[0].strip(FIRST_STRONG + POP), True)]
        last = match.end()
    return [(piece, alone) for piece, alone in (*found, (text[last:], False)) if piece]


def sentence(text: str) -> str:
    """A left-to-right sentence in which titles are not marked: its right-to-left runs between marks."""
    return "".join(isolated(piece) if alone else piece for piece, alone in pieces(text))
