"""The grammar under which the language model writes about one recommendation, made of what was measured about it.

Every title, direction and rank comes from the evidence; which reasons are told, in which order and in which words of
:mod:`engine.explain.phrases` is the model's choice. The grammar is in the Lark dialect of llguidance, where names in
capitals are regular expressions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import permutations, product

from engine.domains import DOMAINS
from engine.explain.constraint import unwritable
from engine.explain.evidence import Evidence
from engine.explain.mentions import Mentions
from engine.explain.phrases import (
    AGREES,
    ALTERNATIVES,
    CHOICES,
    FIRST_PLACED,
    FIRST_STANDS,
    HIGHER,
    LOWER,
    NAMES_ANOTHER,
    OTHER_NAMES,
    PLACED,
    RIGHT_AFTER_FIRST,
    SENTENCES,
    TEACHER_NAMES,
)
from engine.explain.sentence import teacher_label
from engine.labels import capital, ended, listed
from engine.seeds import generator

NAMED = 3
"""Titles named at most for one direction, the strongest first."""
OFFERED = 1 / 3
"""Share of the templates of a kind that one text may choose from, drawn anew for each recommendation: a small model has
its favourites and would begin all texts alike."""
SLOT = re.compile(r"\{(\w+)\}")
TITLES = {"TARGET", "IT", "SPEAKING", "STRONGEST", "STRONG", "NEXT_STRONGEST", "OPPOSING", "WEAKEST", "WEAK",
          "CARRYING", "SPARE", "SUCCESSOR"}  # fmt: skip
"""Slots whose texts are written as they are."""
FIRST = ("reason", "no reason")
"""Kinds of sentences with which a text begins."""

TitleTuple = tuple[str, ...]
Slots = Mapping[str, Sequence[str]]
"""What may stand in each slot: texts, which may have slots of their own."""


def grammar(evidence: Evidence) -> str:
    """The grammar of all texts of two to four sentences that state nothing but the evidence.

    Raises:
        Unwritable: titles of the evidence are called like the words in between, so that none are left.
    """
    return _Maker(evidence).made()


def sides(evidence: Evidence) -> tuple[TitleTuple, TitleTuple]:
    """Titles that may be named as speaking for the target and against it, the strongest first.

    A title that stands twice in the history may pull both ways: nothing is said of it.
    """
    ranked = sorted((item for item in evidence.history if item.mattered), key=lambda item: -abs(item.effect))
    speaking, against = ([item.title for item in ranked if (item.effect > 0) == good] for good in (True, False))
    carrying = evidence.necessity.carrying if evidence.necessity else ()
    return (
        tuple(dict.fromkeys(title for title in speaking if title not in against)) or _carrying_alone(evidence),
        tuple(dict.fromkeys(title for title in against if title not in (*speaking, *carrying))),
    )


def _carrying_alone(evidence: Evidence) -> TitleTuple:
    """Titles without which it falls, and that speak for it by themselves too, none more than they."""
    carrying = evidence.necessity.carrying if evidence.necessity else ()
    effects: dict[str, float] = {}
    for item in evidence.history:
        effects[item.title] = min(item.effect, effects.get(item.title, item.effect))
    found = sorted((title for title in carrying if effects.get(title, 0) > 0), key=lambda title: -effects[title])
    strongest = max((item.effect for item in evidence.history), default=0)
    return tuple(found) if found and effects[found[0]] >= strongest else ()


def measured(evidence: Evidence) -> dict[str, Sequence[str]]:
    """The slots that the evidence fills; those of what was not measured are missing."""
    found, (speaking, against) = evidence.necessity, sides(evidence)
    place, name = f"#{evidence.rank:g}", teacher_label(evidence)
    words = next((it for it in DOMAINS.values() if it.noun == evidence.noun), DOMAINS["item"])
    slots: dict[str, Sequence[str]] = {
        "target": [evidence.target],
        "it": ["it", evidence.target],
        "noun": [evidence.noun],
        "watched": [words.chose[0]],
        "had_watched": [words.chose[1]],
        "person": [words.person],
        "count": [str(len(evidence.candidates))],
        "placed": FIRST_PLACED if evidence.rank == 1 else [f"{verb} {place}" for verb in PLACED],
        "stands": FIRST_STANDS if evidence.rank == 1 else [f"{verb} {place}" for verb in PLACED],
        "teacher": [name],
        "teacher_name": TEACHER_NAMES if evidence.is_teacher else OTHER_NAMES,
        "and_so": _compared(evidence.teacher_rank - evidence.rank),
        "as_teacher": [f"at #{evidence.teacher_rank:g}"],
    }
    slots |= _named("speaking", "strongest", "strong", speaking[:NAMED])
    slots |= _named("opposing", "weakest", "weak", against[: NAMED - 1])
    if len(speaking) > 1:
        slots["next_strongest"] = _lists(speaking[1:NAMED])
    if found and found.carrying:
        before, after = f"#{found.rank_before:g}", f"#{found.rank_after:g}"
        slots |= {"carrying": [listed(found.carrying)], "down": [f"to {after}", f"from {before} to {after}"]}
        if found.top_after != evidence.target:
            slots["successor"] = [found.top_after]
    elif found and found.rank_after == found.rank_before:
        left_out = [f"{'is' if len(found.titles) == 1 else 'are'} {how}" for how in ("left out", "removed", "ignored")]
        slots |= {"spare": [listed(found.titles)], "before": [f"#{found.rank_before:g}"], "left_out": left_out}
    return slots


def sentence_kinds(evidence: Evidence, slots: Slots) -> tuple[str, ...]:
    """What sentences tell between the first and the teacher's, each at most once: names of :data:`SENTENCES`, for which
    :data:`ALTERNATIVES` may stand."""
    found = []
    if "opposing" in slots:
        found.append("against" if "speaking" in slots else "only against")
    elif not any(item.mattered and item.effect < 0 for item in evidence.history):
        found.append("nothing against")
    found += [name for name, needed in (("falls", "carrying"), ("stays", "spare")) if needed in slots]
    return tuple(found)


def _compared(behind: float) -> Sequence[str]:
    return AGREES if behind == 0 else LOWER if behind > 0 else HIGHER


def _named(every: str, one: str, more: str, titles: TitleTuple) -> dict[str, Sequence[str]]:
    """Slots for all beginnings of the ranking, for its first title, and for beginnings of two titles and more."""
    lists = _lists(titles)
    return {slot: some for slot, some in ((every, lists), (one, lists[:1]), (more, lists[1:])) if some}


def _lists(titles: TitleTuple) -> list[str]:
    return [listed(titles[:n]) for n in range(1, len(titles) + 1)]


class _Maker:
    """Turns templates into rules, one for each slot that is used."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.slots: dict[str, Sequence[str]] = {**CHOICES, **measured(evidence)}
        self.rules: dict[str, str] = {}
        self.random = generator(0, "templates", evidence.target, *(item.title for item in evidence.history))
        self.misread = self._misread()

    def made(self) -> str:
        first = self._sentence("reason" if "speaking" in self.slots else "no reason")
        between = self._between(sentence_kinds(self.evidence, self.slots))
        # whether the teacher agrees is said after all else
        ends = [self._sentence("teacher", named=NAMES_ANOTHER in kinds) for kinds in (*between, ())]
        if not first or not (between or ends[-1]):
            raise unwritable("titles of the evidence are called like the words that sentences need")
        orders = [" ".join((first, *rules)) for rules in between.values()]
        orders += [f"{order} {end}" for order, end in zip(orders or [first], ends, strict=False) if end]
        rules = {"start": '" "? text', "text": " | ".join(orders), **self.rules}
        return "".join(f"{name}: {choices}\n" for name, choices in rules.items())

    def _between(self, kinds: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
        """One or two of these kinds in every order, with their rules; without those that cannot be written."""
        found: dict[tuple[str, ...], list[str]] = {}
        for order in (order for n in (1, 2) for order in permutations(kinds, n)):
            for chosen in product(*(ALTERNATIVES.get(kind, (kind,)) for kind in order)):
                rules = [self._sentence(kind, named=NAMES_ANOTHER in chosen[:n]) for n, kind in enumerate(chosen)]
                there = [rule for rule in rules if rule]
                if len(there) == len(chosen) and RIGHT_AFTER_FIRST not in chosen[1:]:
                    found[chosen] = there
        return found

    def _sentence(self, kind: str, *, named: bool = False) -> str | None:
        """The rule of a kind of sentence, with the blank before it; ``None`` where no template is left.

        Args:
            named: whether the target is called by its name, because "it" would be another.
        """
        name = f"SENTENCE_{kind.replace(' ', '_').upper()}{'_NAMED' if named else ''}"
        if name in self.rules:
            return name
        templates = [text.replace("{it}", "{target}") if named else text for text in SENTENCES[kind]]
        made = [made for made in map(self._expression, templates) if made]
        if not made:
            return None
        made = [made[n] for n in self.random.permutation(len(made))[: max(1, round(OFFERED * len(made)))]]
        blank = "" if kind in FIRST else '" " '
        return self._add(name, f"{blank}({' | '.join(made)})")

    def _expression(self, text: str) -> str | None:
        """A text with slots as an expression of the grammar; ``None`` where a slot is empty or words are a title."""
        parts, pieces = [], SLOT.split(text)
        for place, part in enumerate(pieces):
            last = place == len(pieces) - 2 and pieces[-1] == "." and part.upper() in TITLES
            if part in self.misread or (place % 2 and not self._slot(part, last=last)):
                return None
            if part or not text:
                parts.append(self._slot(part, last=last) or "" if place % 2 else quote(part))
            if last:
                break
        return " ".join(parts)

    def _slot(self, slot: str, *, last: bool = False) -> str | None:
        """The rule of a slot; one that is written large begins with a capital, the ``last`` one ends its sentence."""
        name, big = slot.upper(), slot[0].isupper()
        if name in TITLES:
            made = [quote(ended(title) if last else title) for title in self.slots.get(slot, ())]
            name += "_LAST" if last else ""
        else:
            texts = self.slots.get(slot.lower(), ())
            made = [made for made in (self._expression(capital(text) if big else text) for text in texts) if made]
        return self._add(f"BIG_{name}" if big else name, " | ".join(made)) if made else None

    def _add(self, name: str, rule: str) -> str:
        self.rules[name] = rule
        return name

    def _misread(self) -> set[str]:
        """Words of templates and phrases that the check would take for a title of the evidence, as "Still, " is."""
        texts = [text for templates in SENTENCES.values() for text in templates]
        texts += [form(text) for slot, some in self.slots.items() if slot.upper() not in TITLES for text in some
                  for form in (str, capital)]  # fmt: skip
        pieces = list(dict.fromkeys(piece for text in texts for piece in SLOT.split(text)[::2]))
        marked = Mentions(self.evidence).mark("\n".join(pieces)).split("\n")
        if len(marked) != len(pieces):
            raise unwritable("a title of the evidence is a line break")
        return {piece for piece, read in zip(pieces, marked, strict=True) if piece != read}


def quote(text: str) -> str:
    """The text as a literal of the grammar, whatever it holds."""
    return json.dumps(text, ensure_ascii=False)
