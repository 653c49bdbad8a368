"""Models of different runs compared on the users whom both were asked about, from their stored predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import StudioError
from engine.evaluate.predictions import Scores
from engine.metrics.bootstrap import Bootstrap, Interval
from engine.metrics.ranks import per_example, target_columns, target_ranks

BOTH, ONLY_A, ONLY_B, NONE = "both", "only a", "only b", "none"
UNPAIRED = "these runs were not asked about the same users and candidates"


@dataclass(frozen=True)
class UserMetrics:
    """What one model of one run answered about the candidates.

    ``users`` int64 ``[n]``; ``questions`` int64 ``[n, 1 + m]``, each user's target and candidates; ``metrics`` float64
    ``[n]`` by name.
    """

    users: np.ndarray
    questions: np.ndarray
    metrics: Mapping[str, np.ndarray]


def answers(scores: Scores, model: str) -> UserMetrics:
    """The candidates' metrics per user of ``model``.

    Raises:
        StudioError: the run has no such model.
    """
    if model not in scores.of:
        raise StudioError(f"the run has no row {model!r}", remedy=f"choose one of {', '.join(scores.of)}")
    ranks = target_ranks(scores.of[model], target_columns(scores.candidates, scores.targets))
    return UserMetrics(scores.users, np.column_stack([scores.targets, scores.candidates]), per_example(ranks))


def difference(a: UserMetrics, b: UserMetrics, metric: str, *, samples: int, seed: int = 0) -> Interval:
    """Mean of ``a - b`` in ``metric`` with its paired 95 % interval.

    Raises:
        StudioError: the two were not asked the same questions, so no pairs can be made.
    """
    (found,) = differences([a], b, metric, samples=samples, seed=seed)
    if found is None:
        raise StudioError(UNPAIRED, remedy="compare runs of one data set, split, candidates, users and seed")
    return found


def differences(
    many: Sequence[UserMetrics], b: UserMetrics, metric: str, *, samples: int, seed: int = 0
) -> list[Interval | None]:
    """:func:`difference` of several to one, over the same resamples; ``None`` for those that make no pairs."""
    paired = [np.array_equal(a.users, b.users) and np.array_equal(a.questions, b.questions) for a in many]
    columns = [a.metrics[metric] - b.metrics[metric] for a, pairs in zip(many, paired, strict=True) if pairs]
    intervals = iter(Bootstrap(len(b.users), samples, seed).intervals(np.stack(columns, axis=1)) if columns else ())
    return [next(intervals) if pairs else None for pairs in paired]


def outcome_of_each(a: UserMetrics, b: UserMetrics) -> np.ndarray:
    """Text ``[n]``: whether both, only ``a``, only ``b`` or none put each user's true item first.

    First means alone at the top: a tie for the first place is no answer. Both were asked about the same users.
    """
    first_a, first_b = a.metrics["HR@1"] == 1, b.metrics["HR@1"] == 1
    return np.select([first_a & first_b, first_a, first_b], [BOTH, ONLY_A, ONLY_B], NONE)


def outcomes(a: UserMetrics, b: UserMetrics) -> dict[str, int]:
    """How many users have each of the four outcomes of :func:`outcome_of_each`."""
    each = outcome_of_each(a, b)
    return {name: int((each == name).sum()) for name in (BOTH, ONLY_A, ONLY_B, NONE)}
