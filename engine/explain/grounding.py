"""Checks any text about a recommendation against the evidence, sentence by sentence.

A title must stand in the history or among the candidates. A claim of cause must name titles that mattered, with the
right sign, or without which together the recommendation was seen to fall. A rank must be one that was measured. What
cannot be checked is not held against a text, as long as it does not prevail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.bidi import isolated
from engine.explain.evidence import Evidence
from engine.explain.mentions import Mention, Mentions

Verdict = Literal["supported", "unsupported", "neutral"]
Badge = Literal["grounded", "partly", "ungrounded"]
BADGES: tuple[Badge, ...] = ("grounded", "partly", "ungrounded")
"""Best first."""

AGAINST = re.compile(
    r"\b(?:despite|in spite of|although|even though|against|lowers?|weakens?|reduces?|hurts?|less likely|"
    r"pulls? it down|not because|makes it worse)\b",
    re.IGNORECASE,
)
FOR = re.compile(
    r"\b(?:because|since|due to|thanks to|based on|owing to|reasons?|mainly|chiefly|mostly|led to|leads? to|drives?"
    r"|driven|influenc\w+|supports?|speaks? (?:\w+ )?for|favou?rs?|similar to|reminiscent of|like|likes|liked|enjoyed"
    r"|explains?|boosts?|raises?|strongest|suggests?|suggested|points? to|contribut\w+|follows? from|inspired by"
    r"|matters?)\b",
    re.IGNORECASE,
)
DIRECT = re.compile(r"\b(?:because of|due to|thanks to|based on|owing to)\s+$", re.IGNORECASE)
"""What stands right before a title that is named as the cause."""
CAUSE = re.compile(r"\b(?:because|due to|thanks to|based on|owing to|led to|driven by|inspired by)\b", re.IGNORECASE)
BACKWARDS = re.compile(r"\b(?:both|these|those|them|titles|two|three)\b", re.IGNORECASE)
"""Words by which a cause may mean titles named before."""
TURN = re.compile(
    r";|—|, and\b|\b(?=(?:but|while|whereas|however|although|even though|despite|in spite of)\b)", re.IGNORECASE
)
"""Where a sentence may change from what speaks for to what speaks against."""
SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’')]*\s+(?=\S)|\n+")
RANK = re.compile(r"#\s?(\d+)")


@dataclass(frozen=True)
class Sentence:
    """One sentence and what the evidence says about it."""

    text: str
    verdict: Verdict
    faults: tuple[str, ...]
    """Why it is not supported, in words."""


@dataclass(frozen=True)
class Grounding:
    """The verdict on a text."""

    badge: Badge
    """``grounded``: some sentence is supported, none unsupported, and no more than these say what cannot be checked;
    ``partly``: some sentence is supported; else ``ungrounded``."""
    sentences: tuple[Sentence, ...]
    invented: tuple[str, ...]
    """Titles named that are neither in the history nor among the candidates."""

    @property
    def order(self) -> tuple[int, int, int]:
        """Smaller is better grounded."""
        unsupported = sum(sentence.verdict == "unsupported" for sentence in self.sentences)
        supported = sum(sentence.verdict == "supported" for sentence in self.sentences)
        return BADGES.index(self.badge), unsupported, -supported


def check(text: str, evidence: Evidence) -> Grounding:
    """The verdict on ``text``; an empty text is ungrounded."""
    mentions = Mentions(evidence)
    marked = mentions.mark(text)
    sentences = tuple(
        _sentence(part.strip(), mentions, evidence) for part in SENTENCE_END.split(marked) if part and part.strip()
    )
    verdicts = [sentence.verdict for sentence in sentences]
    idle = sum(sentence.verdict == "neutral" and not RANK.search(sentence.text) for sentence in sentences)
    badge: Badge = "ungrounded"
    if supported := verdicts.count("supported"):
        badge = "partly" if "unsupported" in verdicts or idle > supported else "grounded"
    return Grounding(badge, sentences, mentions.invented)


def _sentence(marked: str, mentions: Mentions, evidence: Evidence) -> Sentence:
    faults = [_unknown(mention) for mention in mentions.of(marked) if mention.kind in ("invented", "name")]
    right = 0
    for clause in TURN.split(marked):
        sign = -1 if AGAINST.search(clause) else 1 if FOR.search(clause) else 0
        for fault in _claims(clause, sign, mentions, evidence):
            if fault is None:
                right += 1
            else:
                faults.append(fault)
    faults += [f"#{rank} was not measured" for rank in RANK.findall(marked) if int(rank) not in _ranks(evidence)]
    verdict: Verdict = "unsupported" if faults else "supported" if right else "neutral"
    return Sentence(mentions.unmark(marked), verdict, tuple(dict.fromkeys(faults)))


def _claims(clause: str, sign: int, mentions: Mentions, evidence: Evidence) -> Iterator[str | None]:
    """For each title that the clause says works this way (``sign``): its fault, or None if the evidence agrees."""
    if not sign:
        return
    named = list(mentions.of(clause))
    if (
        all(mention.title == evidence.target for mention in named)
        and CAUSE.search(clause)
        and not BACKWARDS.search(clause)
    ):
        yield "the cause that it names was not measured"
    for mention in named:
        if mention.kind == "candidate" and mention.title != evidence.target and DIRECT.search(mention.before):
            yield f"{isolated(mention.title)} is not in the history"
        if mention.kind != "history":
            continue
        item = evidence.history[mention.place]
        if sign > 0 and evidence.necessity and item.title in evidence.necessity.carrying:
            yield None
        elif not item.mattered:
            yield f"{isolated(item.title)} has little or no effect"
        elif item.effect * sign < 0:
            yield f"{isolated(item.title)} speaks {'against' if sign > 0 else 'for'} it"
        else:
            yield None


def _unknown(mention: Mention) -> str:
    what = "is neither in the history nor among the candidates"
    return f"“{isolated(mention.title)}” {what if mention.kind == 'invented' else 'does not stand in the evidence'}"


def _ranks(evidence: Evidence) -> set[int]:
    found = evidence.necessity
    measured = [evidence.rank, evidence.teacher_rank, *((found.rank_before, found.rank_after) if found else ())]
    return {int(rank) for rank in measured}
