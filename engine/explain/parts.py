"""Parts that add up: what each model in DELRec-plus gives the explained item over its rival, and because of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.explain.predictor import Predictor
from engine.explain.removal import Delete
from engine.explain.row_predictors import WithinCatalogue
from engine.labels import ended, label, listed
from engine.plus import PlusRanker


@dataclass(frozen=True)
class PartShare:
    """One part of a sum; ``target + rival`` of all parts are the sums' own scores.

    ``weight``: of its opinion. ``target``, ``rival``, ``lead``: what it adds to the scores of the two items and to the
    difference between them. ``effects``: float64 ``[n]``, how much of its lead goes when a history item is deleted.
    ``because``: the history item, from 0, whose deletion takes most from its lead; ``None`` where each adds to it.
    """

    model: str
    weight: float
    target: float
    rival: float
    effects: np.ndarray
    because: int | None

    @property
    def lead(self) -> float:
        return self.target - self.rival


def part_shares(predictor: Predictor, rival: int) -> list[PartShare]:
    """The parts of a ranker that is a sum of some, heaviest lead first.

    Args:
        predictor: of a :class:`PlusRanker`; its instance's target is explained.
        rival: column of the candidate that it is held against.
    """
    ranker, instance = predictor.ranker, predictor.instance
    whole = isinstance(ranker, WithinCatalogue)
    ranker = ranker.ranker if isinstance(ranker, WithinCatalogue) else ranker
    assert isinstance(ranker, PlusRanker)
    weights = ranker.weights.catalogue if whole else ranker.weights.candidates
    removal = Delete()
    histories = [
        instance.history,
        *(it for i in range(len(instance.history)) for it in removal.without(instance.history, [i])),
    ]
    pair = np.tile(instance.candidates[[instance.target, rival]], (len(histories), 1))
    shares = []
    for name, scores in ranker.part_scores(histories, pair, weights).items():
        leads = scores[:, 0].astype(np.float64) - scores[:, 1]
        effects = leads[0] - leads[1:]
        because = int(effects.argmax()) if len(effects) and effects.max() > 0 else None
        weight = weights[name]
        shares.append(PartShare(name, weight, float(scores[0, 0]), float(scores[0, 1]), effects, because))
    return sorted(shares, key=lambda share: -share.lead)


def parts_sentence(shares: Sequence[PartShare], titles: Sequence[str], target: str, rival: str) -> str:
    """Who puts which first, and because of what, in words."""
    clauses = []
    for share in (share for share in shares if share.weight):
        side = target if share.lead > 0 else rival
        reason = "" if share.because is None or share.lead <= 0 else f", most of all because of {titles[share.because]}"
        clauses.append(f"{label(share.model)} prefers {side}{reason}")
    if silent := [label(share.model) for share in shares if not share.weight]:
        clauses.append(f"{listed(silent)} {'has' if len(silent) == 1 else 'have'} no say")
    return ended("; ".join(clauses))
