"""Whom the tour shows: users for whom the row is right, with reasons that carry it, and one it is wrong about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from webapp import tour_stops
from webapp.inspect.question import Question
from webapp.tour_stops import Stop, stops


class Run:
    """A run of users by group, of whom those are measured that are said to be."""

    def __init__(self, groups: Mapping[str, Sequence[int]], falls: Mapping[int, float | None]) -> None:
        self.run = SimpleNamespace(id="r")
        names = ("both", "only-model", "only-teacher", "none")
        self._groups = {name: np.array(groups.get(name, []), int) for name in names}
        self.falls = falls

    def groups(self) -> Mapping[str, np.ndarray]:
        return self._groups

    def user_at(self, place: int) -> str:
        return str(place)

    def load(self, question: Question, _: object) -> Any:
        """How the first part of a question stands: by how much the recommendation falls without its reasons."""
        if int(question.user) not in self.falls:
            return SimpleNamespace(pending=True, answer=None)
        fall = self.falls[int(question.user)]
        necessity = None if fall is None else SimpleNamespace(rank_before=1.0, rank_after=1.0 + fall)
        summary = SimpleNamespace(evidence=SimpleNamespace(necessity=necessity))
        return SimpleNamespace(pending=False, answer=SimpleNamespace(summary=summary))


def found(monkeypatch: pytest.MonkeyPatch, run: Run) -> dict[int, Stop]:
    monkeypatch.setattr(tour_stops, "load", run.load)
    return stops(run)  # type: ignore[arg-type]


def users(stops: Mapping[int, Stop]) -> list[str | None]:
    return [stop.question.user if stop.question else None for stop in stops.values()]


def test_reasons_must_carry_the_recommendation_and_be_measured_first(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {"both": [1, 2, 3, 4, 5], "only-model": [6, 7], "only-teacher": [8, 9]}
    asked = found(monkeypatch, Run(groups, {1: 0.0, 2: None}))
    assert users(asked) == ["3", "6", "8"]
    assert [stop.settled for stop in asked.values()] == [False, False, True]
    assert asked[2].tried == 2
    assert asked[2].parts() == (tour_stops.FIRST,), "nothing else is measured of a user who may not be shown"
    done = found(monkeypatch, Run(groups, {1: 0.0, 2: None, 3: 2.0, 6: -1.0, 7: 1.0}))
    assert users(done) == ["3", "7", "8"]
    assert all(stop.settled for stop in done.values())


def test_where_no_reasons_are_clear_the_clearest_case_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = dict.fromkeys(range(20), 0.0)
    asked = found(monkeypatch, Run({"both": range(10), "only-model": [11], "none": [12]}, nobody))
    assert users(asked) == ["0", "11", "12"]
    assert asked[2].tried == tour_stops.TRIED


@pytest.mark.parametrize(
    ("groups", "shown"),
    [
        ({"both": [1, 2]}, ["1", "2", None]),
        ({"only-model": [1, 2], "none": [3]}, ["1", "2", "3"]),
        ({"only-teacher": [3]}, [None, None, "3"]),
        ({"both": [1]}, ["1", None, None]),
        ({}, [None, None, None]),
    ],
)
def test_no_user_comes_twice_and_a_missing_group_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch, groups: Mapping[str, Sequence[int]], shown: list[str | None]
) -> None:
    assert users(found(monkeypatch, Run(groups, dict.fromkeys(range(9), 1.0)))) == shown
