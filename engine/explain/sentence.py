"""Sentences computed from the evidence; no language model writes here, so they are true whenever the evidence is."""

from __future__ import annotations

from collections.abc import Sequence

from engine.evaluate.render import label
from engine.explain.evidence import Evidence


def first_sentence(evidence: Evidence) -> str:
    """``"X mainly because of A and B; without both it falls from #1 to #7."``"""
    found = evidence.necessity
    place = f"#{evidence.rank:g}"
    if found is None:
        return f"No title of the history speaks for {evidence.target}, which stands at {place}."
    both = {1: "that one", 2: "both"}.get(len(found.titles), f"all {len(found.titles)}")
    before, after = f"#{found.rank_before:g}", f"#{found.rank_after:g}"
    reasons = listed(found.titles)
    if found.rank_after > found.rank_before:
        return f"{evidence.target} mainly because of {reasons}; without {both} it falls from {before} to {after}."
    moves = "stays at" if found.rank_after == found.rank_before else "even rises to"
    verb = "speaks" if len(found.titles) == 1 else "speak"
    return f"{evidence.target} stands at {before}; {reasons} {verb} most for it, but without {both} it {moves} {after}."


def fallback(evidence: Evidence) -> str:
    """Two or three sentences that stand in where the language model wrote nothing grounded."""
    sentences = [first_sentence(evidence)]
    against = sorted((i for i in evidence.history if i.mattered and i.effect < 0), key=lambda item: item.effect)[:2]
    if against:
        verb = "speaks" if len(against) == 1 else "speak"
        sentences.append(f"{listed([item.title for item in against])} {verb} against it.")
    sentences.append(f"The teacher ({teacher_label(evidence)}) puts it at #{evidence.teacher_rank:g}.")
    return " ".join(sentences)


def teacher_label(evidence: Evidence) -> str:
    """The teacher's name as people write it."""
    return label(evidence.teacher)


def listed(titles: Sequence[str]) -> str:
    """``"A, B and C"``."""
    return " and ".join([*([", ".join(titles[:-1])] if titles[:-1] else []), *titles[-1:]])
