"""Test users worth looking at, found in a run's stored predictions by what became of their true next item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from engine.config import RunConfig
from engine.data import Dataset, split_dataset
from engine.evaluate.predictions import Predictions
from engine.evaluate.report import By
from engine.evaluate.slices import context, members

UserGroup = Literal["both", "only-model", "only-teacher", "none", "disagreement", "cold", "long", "short"]
GROUPS: tuple[UserGroup, ...] = get_args(UserGroup)
"""Who is right (first place among the candidates, alone), then orders of all users by something else."""


def user_groups(
    predictions: Predictions, model: str, lengths: np.ndarray | None = None
) -> Mapping[UserGroup, np.ndarray]:
    """Lines of the table, int64, by group; the first of each are its clearest cases.

    Args:
        model: the row that is compared with the teacher's.
        lengths: ``[n]`` whole lengths of the users' histories; those stored are cut to what the LLM reads.
    """
    table = predictions.table
    ours = table[f"{model}/candidate_rank"].to_numpy()
    theirs = table[f"{predictions.teacher}/candidate_rank"].to_numpy()
    known = popularity(predictions)
    if lengths is None:
        lengths = np.array([len(history) for history in table["history"]])
    apart = theirs - ours
    right, taught = ours == 1, theirs == 1
    return {
        "both": _sorted(right & taught, -known),
        "only-model": _sorted(right & ~taught, -apart),
        "only-teacher": _sorted(taught & ~right, apart),
        "none": _sorted(~right & ~taught, -ours),
        "disagreement": _sorted(apart != 0, -np.abs(apart)),
        "cold": _sorted(np.ones(len(table), bool), known),
        "long": _sorted(np.ones(len(table), bool), -lengths),
        "short": _sorted(np.ones(len(table), bool), lengths),
    }


def slices_of(predictions: Predictions, dataset: Dataset, config: RunConfig) -> dict[tuple[By, str], np.ndarray]:
    """Lines of the table, int64, by kind and name of the slice: those by which the results tell their figures.

    Args:
        dataset, config: the run's own.
    """
    split = split_dataset(dataset, config.data, config.seed)
    places = {int(user): place for place, user in enumerate(split.test.users)}
    asked = split.test.take([places[int(user)] for user in predictions.table["user"]])
    return {(by, name): chosen for by, name, chosen in members(context(dataset, split, asked))}


def popularity(predictions: Predictions) -> np.ndarray:
    """float64 ``[n]``: training interactions of each user's true next item; zeros where no row counted them."""
    table = predictions.table
    if "popularity/candidate_scores" not in table:
        return np.zeros(len(table))
    rows = zip(table["popularity/candidate_scores"], table["candidates"], table["target"], strict=True)
    return np.array([float(scores[list(candidates).index(target)]) for scores, candidates, target in rows])


def _sorted(chosen: np.ndarray, by: np.ndarray) -> np.ndarray:
    places = np.flatnonzero(chosen)
    return places[np.argsort(by[places], kind="stable")]
