"""The three prompts of DELRec (paper sections IV-B and IV-C), as segments whose places in the model's input stay known.

All begin with the instruction and the soft prompt, then come history, candidates and the answer slot. Titles stand in
lists parted by semicolons, each with the blank before it, exactly as the model would write it behind ``answer``.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from engine.domains import DOMAINS

SegmentKind = Literal["text", "history", "candidate", "soft"]
ItemIds = Sequence[int] | np.ndarray

SOFT_MARK = "[soft prompt]"
TITLE_LENGTH = 120
"""Characters of a title that are read, if nothing else is asked for: some shops write paragraphs."""
JOINER = "\u200d"


@dataclass(frozen=True)
class Segment:
    """A piece of a prompt that is tokenised on its own. ``index``: position in the history or the candidate list."""

    text: str
    kind: SegmentKind = "text"
    index: int = -1


@dataclass(frozen=True)
class Prompt:
    """Segments of the request, and ``answer``: the beginning of the reply, behind which the answer slot stands.

    ``reply``: what follows ``answer`` in the reply, a list of titles that the model goes on with; it has an answer slot
    before each of them too.
    """

    segments: tuple[Segment, ...]
    answer: str
    reply: tuple[Segment, ...] = ()
    history: tuple[int, ...] = ()
    """The items whose titles stand before the answer slots."""

    def text(self) -> str:
        """The prompt for people; the place of the soft prompt is marked, the model's own template left out."""
        request = "".join(SOFT_MARK if segment.kind == "soft" else segment.text for segment in self.segments)
        return f"{request}\n{self.answer}{''.join(segment.text for segment in self.reply)}"


class PromptTitles(Protocol):
    """What prompts need of a catalogue: titles by dense id, the data set's first, the form with the year, and what is
    to stand behind them."""

    @property
    def titles(self) -> tuple[str, ...]: ...

    @property
    def details(self) -> tuple[str, ...]: ...

    @property
    def n_known(self) -> int: ...

    def display(self, item: int) -> str: ...


def prompt_titles(catalogue: PromptTitles, show_year: bool = False, length: int = TITLE_LENGTH) -> tuple[str, ...]:
    """One-line titles by dense id, as prompts and verbalizers write them.

    Without ``show_year`` the year stands only where an item shares its title with one of the data set: it costs more
    tokens than most titles. Titles of more than ``length`` characters are cut; where that would make two of them one,
    they keep their ends too. One's own titles never change how those of the data set are written. What ``data.text``
    adds stands behind.
    """
    known = Counter(catalogue.titles[: catalogue.n_known])
    beginnings = [shortened(title, length) for title in catalogue.titles]
    met = Counter(beginnings[: catalogue.n_known])
    written = []
    for item, (title, beginning) in enumerate(zip(catalogue.titles, beginnings, strict=True)):
        own = int(item < catalogue.n_known)
        year = catalogue.display(item).removeprefix(title) if show_year or known[title] > own else ""
        both_ends = beginning != title and met[beginning] > own
        written.append(" ".join(f"{shortened(title, length, both_ends)}{year}{catalogue.details[item]}".split()))
    return tuple(written)


def shortened(text: str, length: int = TITLE_LENGTH, both_ends: bool = False) -> str:
    """At most ``length`` characters and an ellipsis, cut between words where that is possible, and never within
    a letter and its marks or an emoji."""
    if len(text) <= length:
        return text
    if not both_ends:
        return f"{text[: _place(text, length, length // 4)].rstrip()}…"
    half = length // 2
    end = _place(text, len(text) - half, length // 4)
    return f"{text[: _place(text, half, length // 4)].rstrip()} … {text[end:].lstrip()}"


def _parts(text: str, place: int) -> bool:
    """Whether a text may be parted before this place."""
    return unicodedata.category(text[place]) not in ("Mn", "Mc", "Me", "Cf", "Sk") and text[place - 1] != JOINER


def _place(text: str, limit: int, slack: int) -> int:
    """The last place before ``limit`` where a word ends, ``slack`` from it at most, or the text may be parted."""
    places = [place for place in range(limit, 0, -1) if _parts(text, place)] or [limit]
    return next((place for place in places if text[place].isspace() and limit - place <= slack), places[0])


class Prompts:
    """Writes prompts for one domain, teacher and catalogue.

    Args:
        domain: one of :data:`engine.domains.DOMAINS`.
        teacher_label: how the teacher is called in the text, e.g. ``SASRec``.
        catalogue: titles by dense id; an extended catalogue brings one's own titles.
        show_year: print the year behind every title.
        title_length: characters of a title that are printed at most.
    """

    def __init__(
        self,
        domain: str,
        teacher_label: str,
        catalogue: PromptTitles,
        show_year: bool = False,
        title_length: int = TITLE_LENGTH,
    ) -> None:
        self.words = DOMAINS[domain]
        self.teacher = teacher_label
        self.titles = prompt_titles(catalogue, show_year, title_length)

    def lsr(self, history: ItemIds, candidates: ItemIds, soft: bool) -> Prompt:
        """LLM-based Sequential Recommendation (stage 2, and every ranking): which candidate comes next.

        Without ``soft`` nothing is said of a teacher: the zero-shot prompt.
        """
        return Prompt(
            (*self._recommend(soft), *self._history(history), *self._candidates(candidates)),
            f"The next {self.words.noun} is",
            history=tuple(history),
        )

    def rps(self, history: ItemIds, candidates: ItemIds, shown_ranks: Sequence[int] = ()) -> Prompt:
        """Recommendation Pattern Simulating: which candidate the teacher puts first.

        ``shown_ranks`` prints the teacher's ranks 2..h as the published code does; it leaks the answer by elimination.
        """
        noun, label = self.words.noun, self.teacher
        opening = self._with_soft(f"Simulate {label}'s pattern to predict the next {noun} it would recommend.")
        shown: list[Segment] = []
        if len(shown_ranks):
            shown = [Segment(f"\n{label}'s ranks 2 to {len(shown_ranks) + 1}:"), *self._list(shown_ranks)]
        return Prompt(
            (*opening, *self._history(history), *self._candidates(candidates), *shown),
            f"The next {noun} predicted by {label} is",
            history=tuple(history),
        )

    def ta(
        self,
        demo_history: ItemIds,
        demo_pair: tuple[int, int],
        history: ItemIds,
        revealed_next: int | None,
        candidates: ItemIds,
    ) -> Prompt:
        """Temporal Analysis: which candidate was taken right before the revealed last item.

        Args:
            demo_history: the user's earliest items, which open the demonstration.
            demo_pair: the two items after them: hidden in the demonstration, and the one that reveals it.
            history: items before the hidden one, oldest first.
            revealed_next: the user's last item, shown behind the hidden one; ``None`` keeps it back (falsification).
            candidates: the hidden item among others.
        """
        noun = self.words.noun
        hidden, revealed = demo_pair
        opening = self._with_soft(f"Simulate {self.teacher}'s pattern to find the hidden {noun} in a user's history.")
        example = [
            Segment(f"\nExample: {self.words.done}, oldest first:"),
            *self._list(demo_history),
            *self._reveal(revealed),
            Segment(f". The hidden {noun} is"),
            self._title(hidden),
        ]
        query = [*self._history(history), *self._reveal(revealed_next)]
        before = (*demo_history, hidden, *history)
        return Prompt((*opening, *example, *query, *self._candidates(candidates)), f"The hidden {noun} is", (), before)

    def _recommend(self, soft: bool) -> list[Segment]:
        task = f"predict the next {self.words.noun} a user {self.words.does}."
        return self._with_soft(f"Refer to {self.teacher}'s pattern to {task}") if soft else [Segment(task.capitalize())]

    def _with_soft(self, instruction: str) -> list[Segment]:
        return [Segment(f"{instruction} Pattern:"), Segment("", "soft")]

    def _history(self, items: ItemIds) -> Iterator[Segment]:
        yield self._history_heading()
        listed = list(self._list(items, "history"))
        yield from listed or [Segment(" nothing yet")]

    def _history_heading(self) -> Segment:
        return Segment(f"\n{self.words.done}, oldest first:")

    def _candidates(self, items: ItemIds) -> Iterator[Segment]:
        yield Segment("\nCandidates:")
        yield from self._list(items, "candidate")

    def _reveal(self, item: int | None) -> list[Segment]:
        return [Segment("; (hidden)")] if item is None else [Segment("; (hidden);"), self._title(item)]

    def _list(self, items: ItemIds, kind: SegmentKind = "text") -> Iterator[Segment]:
        for index, item in enumerate(items):
            if index:
                yield Segment(";")
            yield self._title(item, kind, index if kind != "text" else -1)

    def _title(self, item: int, kind: SegmentKind = "text", index: int = -1) -> Segment:
        return Segment(f" {self.titles[item]}", kind, index)
