"""Models of different runs are compared on the same users and candidates, or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import StudioError
from engine.evaluate.paired import answers, difference, outcomes
from engine.evaluate.predictions import Scores

CANDIDATES = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 5, 9]]
TARGETS = [1, 5, 9, 9]


def _scores(**of: list[list[float]]) -> Scores:
    models = {name: np.array(rows, np.float32) for name, rows in of.items()}
    return Scores(np.arange(4), np.array(TARGETS), np.array(CANDIDATES), models)


RIGHT = [[3, 2, 1], [1, 3, 2], [1, 2, 3], [1, 2, 3]]
HALF = [[3, 2, 1], [3, 1, 2], [1, 2, 3], [3, 2, 1]]
TIED = [[1, 1, 1]] * 4


def test_metrics_per_user_follow_from_the_scores() -> None:
    known = answers(_scores(a=HALF, t=TIED), "a")
    assert known.metrics["HR@1"].tolist() == [1, 0, 1, 0]
    assert answers(_scores(t=TIED), "t").metrics["HR@1"] == pytest.approx([1 / 3] * 4)


def test_the_difference_is_paired_and_turns_with_its_sides() -> None:
    a, b = answers(_scores(m=RIGHT), "m"), answers(_scores(m=HALF), "m")
    forth, back = difference(a, b, "HR@1", samples=200), difference(b, a, "HR@1", samples=200)
    assert forth.value == 0.5
    assert forth.low <= 0.5 <= forth.high
    assert (back.value, back.low, back.high) == pytest.approx((-forth.value, -forth.high, -forth.low))


def test_a_model_does_not_differ_from_itself() -> None:
    same = answers(_scores(m=HALF), "m")
    assert difference(same, same, "NDCG@5", samples=50) == (0, 0, 0)


def test_other_questions_make_no_pairs() -> None:
    here = _scores(m=RIGHT)
    there = replace(here, candidates=here.candidates[:, ::-1])
    with pytest.raises(StudioError, match="same users and candidates"):
        difference(answers(here, "m"), answers(there, "m"), "HR@1", samples=10)


def test_every_user_is_counted_once() -> None:
    both = _scores(a=RIGHT, b=HALF, t=TIED)
    assert outcomes(answers(both, "a"), answers(both, "b")) == {"both": 2, "only a": 2, "only b": 0, "none": 0}
    assert outcomes(answers(both, "b"), answers(both, "t")) == {"both": 0, "only a": 2, "only b": 0, "none": 2}


def test_an_unknown_model_is_told_with_those_that_are_there() -> None:
    with pytest.raises(StudioError, match="choose one of a, b"):
        answers(_scores(a=RIGHT, b=HALF), "delrec")
