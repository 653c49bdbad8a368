"""Why is an item not recommended: where it stands among all items, what is ahead of it, and what would raise it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.explain.effects import leave_one_out
from engine.explain.explanandum import Explanandum
from engine.explain.predictor import ranks
from engine.explain.removal import Delete
from engine.labels import label, listed

NAMED = 2
"""Titles that are named for either side."""
BEFORE = 5
"""Titles that are tried in front of it: those that most often go before it in training."""


@dataclass(frozen=True)
class Raise:
    """A change of the history that raises the item, verified by asking about that history alone."""

    rank: float
    """Where it then stands among the candidates."""
    removed: int | None = None
    """Place in the history of the title that goes ..."""
    added: int | None = None
    """... or the id of the one that is added as the latest."""


@dataclass(frozen=True)
class WhyNot:
    """Why the target does not come first."""

    rank: float
    first: int
    """Id of the candidate that comes first in its place."""
    behind: float
    """How far its score lies behind that one's."""
    against: tuple[int, ...]
    """Places of the titles that speak most for the first one rather than for it ..."""
    speaking: tuple[int, ...]
    """... and of those that speak most for it."""
    raised: Raise | None
    """The change of one title that raises it most; ``None`` where none of those tried does."""
    tried: int


def places_of_all(explained: Explanandum) -> list[float | None]:
    """Where each candidate stands among all items outside the history by the row that answers; ``None`` unless
    candidates are items of the whole catalogue. Ties take their mean."""
    if not explained.rows.whole:
        return [None] * len(explained.instance.candidates)
    scores = explained.rows.catalogue_scores(explained.row, explained.instance.history)
    if scores is None:
        return [None] * len(explained.instance.candidates)
    seen = np.concatenate([explained.instance.history, explained.instance.older])
    open_to = np.delete(scores, np.unique(seen[seen < len(scores)]))
    own = scores[explained.instance.candidates]
    return [float((open_to > s).sum() + ((open_to == s).sum() + 1) / 2) for s in own]


def why_not(explained: Explanandum) -> WhyNot:
    """Measure it by deletions, and by additions of titles that went before the item in training."""
    predictor, instance = explained.model, explained.instance
    target, history = instance.target, instance.history
    full = predictor.full()
    first = int(np.delete(np.arange(len(full)), target)[np.delete(full, target).argmax()])
    found = leave_one_out(predictor, [Delete()])["delete"]
    lead = found.rather_than(first)
    order = np.argsort(lead, kind="stable")
    added = _before(explained)
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
            raised = Raise(after, removed, None if removed is not None else added[best - len(history)])
    return WhyNot(
        rank,
        int(instance.candidates[first]),
        float(np.float64(full[first]) - full[target]),
        tuple(int(place) for place in order[:NAMED] if lead[place] < 0),
        tuple(int(place) for place in order[::-1][:NAMED] if lead[place] > 0),
        raised,
        len(changes),
    )


def why_not_sentence(found: WhyNot, explained: Explanandum) -> str:
    """The same in words."""
    history = explained.instance.history
    name, first = explained.called(int(explained.instance.candidates[explained.instance.target])), found.first

    def named(places: Sequence[int]) -> str:
        return listed([explained.called(int(history[place])) for place in places])

    overall = places_of_all(explained)[explained.instance.target]
    among = "the candidates" if overall is None else "all items"
    said = f"{label(explained.row)} puts {name} at #{found.rank if overall is None else overall:g} of {among}"
    because = f", because of {named(found.against)}" if found.against else ""
    said += f"; {explained.called(first)} comes first{because}."
    if found.speaking:
        verb = "speaks" if len(found.speaking) == 1 else "speak"
        said += f" {named(found.speaking)} {verb} for it, but not enough."
    else:
        said += " No title of the history speaks for it."
    if found.raised is None:
        return f"{said} None of {found.tried} changes of one title raises it."
    after = found.raised
    place = f"to #{after.rank:g} of the {len(explained.instance.candidates)} candidates, from #{found.rank:g}"
    if after.removed is not None:
        return f"{said} Without {named([after.removed])} it rises {place}."
    return f"{said} With {explained.called(int(after.added or 0))} as the latest title it rises {place}."


def _before(explained: Explanandum) -> list[int]:
    """Ids of the titles that most often go right before the target in training and that the user has not seen."""
    instance = explained.instance
    target = int(instance.candidates[instance.target])
    before = [int(items[i - 1]) for items in explained.models.split.train for i in np.flatnonzero(items == target) if i]
    counts = np.bincount(np.array(before, np.int64), minlength=1)
    taken = {*instance.history.tolist(), *instance.older.tolist(), *instance.candidates.tolist()}
    order = np.argsort(-counts, kind="stable")
    return [int(item) for item in order if counts[item] and int(item) not in taken][:BEFORE]
