"""Checks any text about a recommendation against the evidence, sentence by sentence.

A title must stand in the history or among the candidates. A claim of cause must name titles that mattered, with the
right sign, or all those without which together the recommendation was seen to fall; what is said to happen without
titles must have been seen without just these. A rank must be one that was measured, the teacher's its own. What cannot
be checked is not held against a text, as long as it does not prevail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from engine.bidi import isolated
from engine.explain.evidence import Evidence
from engine.explain.mentions import Mention, Mentions
from engine.explain.report_parts import Badge, CheckedSentence, Grounding
from engine.explain.sentence import teacher_label
from engine.labels import listed

Support = Literal["supported", "unsupported", "neutral"]

AGAINST = re.compile(
    r"\b(?:despite|in spite of|although|even though|against|lowers?|weakens?|reduces?|hurts?|less likely|"
    r"pulls? it down|not because|makes it worse)\b",
    re.IGNORECASE,
)
FOR = re.compile(
    r"\b(?:because|since|due to|thanks to|based on|owing to|reasons?|mainly|chiefly|mostly|led to|leads? to|drives?"
    r"|driven|influenc\w+|supports?|speaks? (?:\w+ ){0,4}for|favou?rs?|similar to|reminiscent of|like|likes|liked"
    r"|enjoyed|explains?|boosts?|raises?|strongest|suggests?|suggested|points? (?:\w+ )?to|contribut\w+|follows? from"
    r"|inspired by|matters?|owes?)\b",
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
RANK = re.compile(r"#\s?(\d+(?:\.\d+)?)")
WITHOUT = re.compile(
    r"\bwithout\b|\bhad not (?:watched|played|chosen|seen)\b|\b(?:left out|removed|ignored)\b", re.IGNORECASE
)
FALLS = re.compile(r"\b(?:falls?|drops?|slips?|sinks?|(?:goes|go|moves?) down)\b", re.IGNORECASE)
STAYS = re.compile(r"\b(?:stays?|remains?|(?:keeps?|holds?) its place)\b", re.IGNORECASE)
LEADS = re.compile(
    r"\b(?:comes? first|(?:comes? out )?on top|ranked first|first choice|takes? (?:first place|the lead|over)"
    r"|leads (?:the list|instead))\b",
    re.IGNORECASE,
)
STRONGEST = re.compile(
    r"\b(?:main|strongest|most important|clearest|best|first) (?:reasons?|case)\b"
    r"|\bspeaks? (?:most|above all|mainly)\b",
    re.IGNORECASE,
)
ALONE = re.compile(r"\balone\b", re.IGNORECASE)
NOTHING = re.compile(r"\b(?:no|none of the|nothing)\b.{0,60}\bspeaks? (for|against)\b", re.IGNORECASE)
COUNT = re.compile(r"\b(\d+) candidates\b")
TEACHER = re.compile(r"\bteacher\b", re.IGNORECASE)
COMPARED: Mapping[re.Pattern[str], Callable[[float], bool]] = {
    re.compile(r"(?<!dis)agrees\b", re.IGNORECASE): lambda behind: behind == 0,
    re.compile(r"\bdisagrees\b", re.IGNORECASE): lambda behind: behind != 0,
    re.compile(r"\bless (?:convinced|sure)\b", re.IGNORECASE): lambda behind: behind > 0,
    re.compile(r"\b(?:more convinced|even surer)\b", re.IGNORECASE): lambda behind: behind < 0,
}
"""What the teacher is said to think of the place, and whether that is so, by how far it puts the target behind it."""


def check(text: str, evidence: Evidence) -> Grounding:
    """The verdict on ``text``; an empty text is ungrounded."""
    mentions = Mentions(evidence)
    marked = mentions.mark(text)
    sentences = tuple(
        _sentence(part.strip(), mentions, evidence) for part in SENTENCE_END.split(marked) if part and part.strip()
    )
    verdicts = [sentence.verdict for sentence in sentences]
    idle = sum(not sentence.statements for sentence in sentences)
    badge: Badge = "ungrounded"
    if supported := verdicts.count("supported"):
        badge = "partly" if "unsupported" in verdicts or idle > supported else "grounded"
    statements = sum(sentence.statements for sentence in sentences)
    precision = sum(sentence.held for sentence in sentences) / statements if statements else None
    return Grounding(badge=badge, sentences=sentences, invented=mentions.invented, precision=precision)


def _sentence(marked: str, mentions: Mentions, evidence: Evidence) -> CheckedSentence:
    named: list[str | None] = [
        _unknown(mention) for mention in mentions.of(marked) if mention.kind in ("invented", "name")
    ]
    causes: list[str | None] = []
    for clause in TURN.split(marked):
        sign = -1 if AGAINST.search(clause) else 1 if FOR.search(clause) else 0
        causes += _nothing(clause, evidence)
        causes += _without(clause, mentions, evidence) or _claims(clause, sign, mentions, evidence)
        named += _places(clause, mentions, evidence)
    statements = named + causes
    faults = tuple(dict.fromkeys(fault for fault in statements if fault is not None))
    held = statements.count(None)
    verdict: Support = "unsupported" if faults else "supported" if None in causes else "neutral"
    return CheckedSentence(
        text=mentions.unmark(marked), verdict=verdict, faults=faults, statements=len(statements), held=held
    )


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
    first = STRONGEST.search(clause) is not None and sign > 0
    carrying = evidence.necessity.carrying if evidence.necessity else ()
    against = {item.title for item in evidence.history if item.mattered and item.effect < 0}
    most = max((item.effect for item in evidence.history if item.title not in against), default=0.0)
    together = {*carrying} <= {mention.title for mention in named}
    for mention in named:
        if mention.kind == "candidate" and mention.title != evidence.target and DIRECT.search(mention.before):
            yield f"{isolated(mention.title)} is not in the history"
        if mention.kind != "history":
            continue
        called = [item for item in evidence.history if item.title == mention.title]
        carries = mention.title in carrying and (together or any(item.effect >= 0 for item in called))
        effects = [item.effect * sign for item in called if item.mattered]
        if first and not (carries and together) and max(item.effect for item in called) < most:
            yield f"{isolated(mention.title)} is not what speaks most for it"
        elif sign > 0 and carries:
            yield None
        elif not effects:
            yield f"{isolated(mention.title)} has little or no effect"
        elif min(effects) < 0:  # of a title that stands there twice, one place is enough
            yield f"{isolated(mention.title)} speaks {'against' if sign > 0 else 'for'} it"
        else:
            yield None
        first = False


def _without(clause: str, mentions: Mentions, evidence: Evidence) -> list[str | None]:
    """Where the clause says what comes of leaving titles out: the fault, or None; empty where it says no such thing."""
    titles = [mention.title for mention in mentions.of(clause) if mention.kind == "history"]
    moves = 1 if FALLS.search(clause) else 0 if STAYS.search(clause) else None
    if moves is None or not titles or not WITHOUT.search(clause) or ALONE.search(clause):
        return []
    found, name = evidence.necessity, isolated(listed(titles))
    if found is None or {*found.titles} != {*titles}:
        return [f"what it does without {name} was not measured"]
    if (found.rank_after > found.rank_before) != bool(moves) or (not moves and found.rank_after < found.rank_before):
        return [f"without {name} it was seen at #{found.rank_after:g} instead of #{found.rank_before:g}"]
    return [None]


def _nothing(clause: str, evidence: Evidence) -> Iterator[str | None]:
    """Where the clause says that no title speaks for the target, or against it."""
    for match in NOTHING.finditer(clause):
        sign = 1 if match[1].lower() == "for" else -1
        titles = [item.title for item in evidence.history if item.mattered and item.effect * sign > 0]
        yield f"{isolated(titles[0])} speaks {match[1].lower()} it" if titles else None


def _places(clause: str, mentions: Mentions, evidence: Evidence) -> Iterator[str | None]:
    """For each place that the clause tells, and each comparison with the teacher's."""
    ranks_named = {f"{float(rank):g}" for rank in RANK.findall(clause)}
    yield from (None if rank in _ranks(evidence) else f"#{rank} was not measured" for rank in ranks_named)
    teacher = f"{evidence.teacher_rank:g}"
    who = "the teacher" if evidence.is_teacher else teacher_label(evidence)
    of_teacher = (evidence.is_teacher and TEACHER.search(clause)) or re.search(
        rf"\b{re.escape(teacher_label(evidence))}\b", clause
    )
    if of_teacher and ranks_named and teacher not in ranks_named:
        yield f"{who} puts it at #{teacher}"
    if of_teacher:
        behind = evidence.teacher_rank - evidence.rank
        for pattern, holds in COMPARED.items():
            if pattern.search(clause):
                yield None if holds(behind) else f"{who} puts it at #{teacher}"
    yield from (None if int(n) == len(evidence.candidates) else f"there are {len(evidence.candidates)} candidates"
                for n in COUNT.findall(clause))  # fmt: skip
    if not of_teacher and (leads := LEADS.search(clause)):
        before = [mention for mention in mentions.of(clause[: leads.start()]) if mention.kind == "candidate"]
        named = before[-1].title if before else evidence.target
        if named == evidence.target and not WITHOUT.search(clause):
            yield None if evidence.rank == 1 else f"it stands at #{evidence.rank:g}"
        elif named != evidence.target:
            after = evidence.necessity and evidence.necessity.top_after
            yield None if named == after else f"{isolated(named)} was not seen to come first"


def _unknown(mention: Mention) -> str:
    what = "is neither in the history nor among the candidates"
    return f"“{isolated(mention.title)}” {what if mention.kind == 'invented' else 'does not stand in the evidence'}"


def _ranks(evidence: Evidence) -> set[str]:
    """Measured places as texts write them: those who tie share the mean of theirs, such as 4.5."""
    found = evidence.necessity
    measured = [evidence.rank, evidence.teacher_rank, *((found.rank_before, found.rank_after) if found else ())]
    return {f"{rank:g}" for rank in measured}
