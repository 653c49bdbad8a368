"""Finds the titles that a text names: with or without quotes and years, with typos, known or invented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from engine.data import Catalogue, match_titles
from engine.data.title_parsing import split_year
from engine.explain.evidence import Evidence

MentionKind = Literal["history", "candidate", "invented", "name"]

OPEN, CLOSE = "\ue000", "\ue001"  # private use: they stand for nothing in any text
MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")
QUOTED = re.compile(
    r"[“\"«]([^“”\"«»\n]{2,90})[”\"»](?: \((?:18|19|20)\d\d\))?|(?<!\w)[‘'*_]{1,2}([^‘’'*_\n]{2,90})[’'*_]{1,2}(?!\w)"
)
SMALL = r"(?:of|the|and|in|a|an|to|for|on|at|with|from|de|la|le|du|&)"
CAPITAL = r"[A-Z0-9][\w'’:&!-]*,?"
DATED = re.compile(rf"((?:{CAPITAL}|{SMALL})(?: (?:{CAPITAL}|{SMALL})){{0,9}}) \((?:18|19|20)\d\d\)")
RUN = re.compile(rf"[A-Z][\w'’-]+(?: (?:{SMALL} )*[A-Z][\w'’-]+)+")
OWN_STOP = re.compile(rf"{MARK.pattern}\.(?!\s*$|\s+[^a-z\s])")
"""A mention and a full stop behind which no sentence ends."""
YEAR_BEHIND = r"(?: \(\d{4}\))?"


@dataclass(frozen=True)
class Mention:
    """A title, or what looks like one."""

    kind: MentionKind
    """``invented``: in quotes or with a year, and not in the evidence; ``name``: capitalised words that are not."""
    title: str
    place: int = -1
    """Place in the history."""
    before: str = ""
    """The text in front of it."""


class Mentions:
    """Replaces every mention in a text by a mark, so that no title is cut by its own full stops.

    Args:
        evidence: its history and candidates are the titles that may be named.
    """

    def __init__(self, evidence: Evidence) -> None:
        titles = [item.title for item in evidence.history]
        self.known = [*(("history", title) for title in titles)]
        self.known += [("candidate", title) for title in evidence.candidates if title not in titles]
        parts = [split_year(title) for _, title in self.known]
        size = len(parts)
        self.catalogue = Catalogue(
            tuple(title for title, _ in parts), tuple(year for _, year in parts), ((),) * size, ("",) * size
        )
        words = (evidence.teacher, evidence.noun)
        self.allowed = {word.casefold() for word in words}
        self.found: list[tuple[MentionKind, str, int, str]] = []

    def mark(self, text: str) -> str:
        """``text`` with a mark for every mention."""
        text = text.replace(OPEN, "").replace(CLOSE, "")
        by_length = sorted(range(len(self.known)), key=lambda i: -len(self.catalogue.titles[i]))
        text = QUOTED.sub(self._quoted, text)
        for place in by_length:
            title = self.catalogue.titles[place]
            flags = re.IGNORECASE if " " in title else re.NOFLAG
            pattern = rf"(?<!\w){re.escape(title)}(?!\w){YEAR_BEHIND}"
            if title.endswith("."):  # its full stop ends the sentence too, perhaps
                pattern = rf"(?<!\w)(?:{re.escape(title)} \(\d{{4}}\)|{re.escape(title[:-1])}(?=\.))"
            text = re.sub(pattern, partial(self._known, place), text, flags=flags)
        text = OWN_STOP.sub(self._with_stop, text)
        text = DATED.sub(self._dated, text)
        return RUN.sub(self._run, text)

    def unmark(self, text: str) -> str:
        """The text as it was."""
        while MARK.search(text):
            text = MARK.sub(lambda match: self.found[int(match[1])][3], text)
        return text

    def of(self, marked: str) -> Iterator[Mention]:
        """The mentions in a piece of marked text, in order."""
        for match in MARK.finditer(marked):
            kind, title, place, _ = self.found[int(match[1])]
            yield Mention(kind, title, place, marked[: match.start()])

    @property
    def invented(self) -> tuple[str, ...]:
        """Invented titles, each once."""
        return tuple(dict.fromkeys(title for kind, title, _, _ in self.found if kind == "invented"))

    def _known(self, place: int, match: re.Match[str]) -> str:
        written = match[0]
        kind, title = self.known[place]
        year = split_year(written)[1]
        right = self.catalogue.years[place]
        if year is not None and right is not None and year != right:
            return self._add("invented", written, -1, written)
        return self._add("history" if kind == "history" else "candidate", title, place, written)

    def _with_stop(self, match: re.Match[str]) -> str:
        """The mark of a title that ends in a full stop, which is the title's alone."""
        kind, title, place, written = self.found[int(match[1])]
        if not title.endswith(".") or written.endswith("."):
            return match[0]
        self.found[int(match[1])] = (kind, title, place, f"{written}.")
        return match[0][:-1]

    def _quoted(self, match: re.Match[str]) -> str:
        inside = (match[1] or match[2]).strip(" .,;:!?")
        place = self._place(inside)
        if place is not None:
            return self._add(*self._role(place), match[0])
        # quotes stand around single words of emphasis too: only what is written like a title is one
        if re.match(r"[A-Z0-9]", inside):
            return self._add("invented", inside, -1, match[0])
        return match[0]

    def _dated(self, match: re.Match[str]) -> str:
        words = match[0].split(" ")
        if known := self._ending_known(words, 2):
            return known
        first = next((i for i, word in enumerate(words) if word[0].isupper()), 0)
        title = " ".join(words[first:])
        return " ".join([*words[:first], self._add("invented", title, -1, title)])

    def _ending_known(self, words: list[str], least: int) -> str | None:
        """The words, if the longest known title that at least so many of them end with is marked in them."""
        for start in range(len(words) - least + 1):
            title = " ".join(words[start:])
            if (place := self._place(title)) is not None:
                return " ".join([*words[:start], self._add(*self._role(place), title)])
        return None

    def _run(self, match: re.Match[str]) -> str:
        words = match[0].split(" ")
        if known := self._ending_known(words, 1):
            return known
        begins = not match.string[: match.start()].rstrip() or match.string[: match.start()].rstrip()[-1] in ".!?\n"
        names = words[1:] if begins else words  # the first word of a sentence is always written large
        names = [word for word in names if word.casefold() not in self.allowed]
        if sum(word[0].isupper() for word in names) < 2:
            return match[0]
        return self._add("name", " ".join(names), -1, match[0])

    def _place(self, written: str) -> int | None:
        return match_titles(self.catalogue, [written])[0].item

    def _role(self, place: int) -> tuple[MentionKind, str, int]:
        kind, title = self.known[place]
        return ("history" if kind == "history" else "candidate"), title, place

    def _add(self, kind: MentionKind, title: str, place: int, written: str) -> str:
        self.found.append((kind, title, place, written))
        return f"{OPEN}{len(self.found) - 1}{CLOSE}"
