"""Why is an item not recommended: where it stands among all items, what is ahead of it, and what would raise it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.explain.effects import leave_one_out
from engine.explain.explanandum import Explanandum
from engine.explain.predictor import ranks
from engine.explain.removal import Delete
from engine.explain.report_parts import Raise, WhyNot
from engine.labels import ended, label, listed, plural

NAMED = 2
"""Titles that are named for either side."""
BEFORE = 5
"""Titles that are tried in front of it: those that most often go before it in training."""


def places_of_all(explained: Explanandum) -> list[float | None]:
    """Where each candidate stands among all items outside the history by the row that answers; ``None`` unless
    candidates are items of the whole catalogue. Ties take their mean."""
    if not explained.rows.whole:
        return [None] * len(explained.instance.candidates)
    scores = explained.rows.catalogue_scores(explained.row, explained.instance.history)
    if scores is None:
        return [None] * len(explained.instance.candidates)
    open_to = np.delete(scores, sorted(item for item in explained.seen if item < len(scores)))
    own = scores[explained.instance.candidates]
    return [float((open_to > s).sum() + ((open_to == s).sum() + 1) / 2) for s in own]


def why_not(explained: Explanandum) -> WhyNot:
    """Measured by deletions, and by additions of titles that went before the item in training; with it in words."""
    predictor, instance = explained.model, explained.instance
    target, history = instance.target, instance.history
    full = predictor.full()
    first = int(np.delete(np.arange(len(full)), target)[np.delete(full, target).argmax()])
    found = leave_one_out(predictor, [Delete()])["delete"]
    lead = found.rather_than(first)
    order = np.argsort(lead, kind="stable")
    added = explained.unseen_before(int(instance.candidates[target]))[:BEFORE]
    changes = [np.delete(history, place) for place in range(len(history))]
    changes += [np.append(history, item) for item in added]
    places = ranks(predictor.scores(changes), target)
    rank = float(ranks(full[None], target)[0])
    raised = None
    best = int(places.argmin())
    if places[best] < rank:
        after = float(ranks(predictor.fresh(changes[best])[None], target)[0])
        removed = best if best < len(history) else None
        if after < rank:
            raised = Raise(
                rank=after, removed=removed, added=None if removed is not None else added[best - len(history)]
            )
    measured = WhyNot(
        rank=rank,
        first=int(instance.candidates[first]),
        behind=float(np.float64(full[first]) - full[target]),
        against=tuple(int(place) for place in order[:NAMED] if lead[place] < 0),
        speaking=tuple(int(place) for place in order[::-1][:NAMED] if lead[place] > 0),
        raised=raised,
        tried=len(changes),
    )
    return measured.model_copy(update={"sentence": _sentence(measured, explained)})


def _sentence(found: WhyNot, explained: Explanandum) -> str:
    history = explained.instance.history
    name, first = explained.called(int(explained.instance.candidates[explained.instance.target])), found.first

    def named(places: Sequence[int]) -> str:
        return listed([explained.called(int(history[place])) for place in places])

    overall = places_of_all(explained)[explained.instance.target]
    among = "the candidates" if overall is None else "all items"
    text = f"{label(explained.row)} puts {name} at #{found.rank if overall is None else overall:g} of {among}"
    because = f", because of {named(found.against)}" if found.against else ""
    text = ended(f"{text}; {explained.called(first)} comes first{because}")
    if found.speaking:
        verb = "speaks" if len(found.speaking) == 1 else "speak"
        text += f" {named(found.speaking)} {verb} for it, but not enough."
    else:
        text += " No title of the history speaks for it."
    if found.raised is None:
        return f"{text} None of {plural(found.tried, 'change')} of one title raises it."
    after = found.raised
    place = f"to #{after.rank:g} of the {len(explained.instance.candidates)} candidates, from #{found.rank:g}"
    if after.removed is not None:
        return f"{text} Without {named([after.removed])} it rises {place}."
    return f"{text} With {explained.called(int(after.added or 0))} as the latest title it rises {place}."
