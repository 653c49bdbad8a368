"""Sentences computed from the evidence; no language model writes here, so they are true whenever the evidence is."""

from __future__ import annotations

from collections.abc import Sequence

from engine.explain.evidence import Evidence
from engine.labels import label, listed


def first_sentence(evidence: Evidence) -> str:
    """``"X mainly because of A and B; without both it falls from #1 to #7."``

    Titles may carry an answer together that, one by one, do not speak for it: then it says so, because the effects
    beside it are those of single titles.
    """
    found = evidence.necessity
    place = f"#{evidence.rank:g}"
    if found is None:
        return f"No single title of the history clearly speaks for {evidence.target}, which stands at {place}."
    both = {1: "that one", 2: "both"}.get(len(found.titles), f"all {len(found.titles)}")
    before, after = f"#{found.rank_before:g}", f"#{found.rank_after:g}"
    reasons = listed(found.titles)
    if found.rank_after > found.rank_before:
        if alone := _not_for_it_alone(evidence):
            return (
                f"{evidence.target} rests mainly on {reasons} together; without {both} it falls from {before} to "
                f"{after}, though without {listed(alone, 'or')} alone it does no worse."
            )
        return f"{evidence.target} mainly because of {reasons}; without {both} it falls from {before} to {after}."
    moves = "stays at" if found.rank_after == found.rank_before else "even rises to"
    verb = _speak(found.titles)
    return f"{evidence.target} stands at {before}; {reasons} {verb} most for it, but without {both} it {moves} {after}."


def fallback(evidence: Evidence) -> str:
    """Two or three sentences that stand in where the language model wrote nothing grounded."""
    sentences = [first_sentence(evidence)]
    titles = evidence.necessity.titles if evidence.necessity else ()
    against = sorted((i for i in evidence.history if i.mattered and i.effect < 0), key=lambda item: item.effect)
    if names := [item.title for item in against if item.title not in titles][:2]:
        sentences.append(f"{listed(names)} {_speak(names)} against it.")
    who = f"The teacher ({teacher_label(evidence)})" if evidence.is_teacher else teacher_label(evidence)
    sentences.append(f"{who} puts it at #{evidence.teacher_rank:g}.")
    return " ".join(sentences)


def _not_for_it_alone(evidence: Evidence) -> list[str]:
    """Titles that are needed with others, but whose own effects do not favour the target."""
    needed = evidence.necessity.titles if evidence.necessity else ()
    effects = {item.title: item.effect for item in evidence.history}
    return [title for title in needed if len(needed) > 1 and effects.get(title, 1.0) <= 0]


def _speak(subjects: Sequence[str]) -> str:
    return "speaks" if len(subjects) == 1 else "speak"


def teacher_label(evidence: Evidence) -> str:
    """The name of the row beside, most often the teacher's, as people write it."""
    return label(evidence.teacher)
