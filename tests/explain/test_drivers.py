"""Which kinds of reasons drive a row, where that is known by construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from several import together
from tiny_run import tiny_models

from engine.data import Catalogue
from engine.errors import Cancelled, StudioError
from engine.explain.drivers import UserDrivers, drivers, shares, summary
from engine.explain.reason_kinds import KINDS, ItemRelations, kinds_of
from engine.monitor import Monitor
from engine.ranking import History
from engine.rows import all_rows

TITLES = ("Star Trek: First Contact", "Star Trek VI: The Undiscovered Country", "Heat", "Fargo", "The Godfather",
          "The Godfather: Part II", *(f"Film {word}" for word in ("north", "east", "south", "west")))  # fmt: skip
GENRES = (("Sci-Fi", "Action"), ("Sci-Fi",), ("Action", "Crime", "Thriller"), (), *[("Crime", "Drama")] * 2, *[()] * 4)
TARGET = 1


def catalogue(**columns: object) -> Catalogue:
    known = {"years": (1996, 1991, 1995, None, 1972, 1974, 1990, 1989, 1993, 1994), "genres": GENRES, **columns}
    return Catalogue(TITLES, raw_ids=tuple(map(str, range(len(TITLES)))), **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "of_it"),
    [
        ("recent", [7, 8, 9]),
        ("followed", [2]),
        ("genre", [0]),
        ("series", [0]),
        ("brand", [3]),
        ("time", [6, 7, 8]),
        ("popular", [2]),
    ],
)
def test_a_title_is_of_a_kind_by_its_definition(kind: str, of_it: list[int]) -> None:
    brands = ("Paramount", "Rank", "", "RANK", *[""] * 6)
    world = ItemRelations(catalogue(brands=brands), [np.array([2, TARGET, 2]), np.array([3, 2, TARGET]), np.array([4])])
    history = np.array([0, 2, 3, 4, 5, 6, 7, 8, 9])
    held = KINDS[kind].holds(world, history, TARGET)
    assert history[held].tolist() == of_it


def test_kinds_that_a_data_set_does_not_tell_are_left_out_and_named() -> None:
    there, lacks = kinds_of(catalogue(genres=((),) * 10, years=(None,) * 10))
    assert set(there) == {"recent", "followed", "series", "popular"}
    assert lacks == ["genres", "brands", "years"]


def test_shares_are_of_what_speaks_for_the_item_and_nobody_has_some_where_nothing_does() -> None:
    held = {"a": np.array([True, False, True]), "b": np.array([False, True, False])}
    assert shares(np.array([3.0, 1.0, -8.0]), held) == {"a": 0.75, "b": 0.25}
    assert shares(np.array([-1.0, 0.0, 0.0]), held) is None


@dataclass
class ByPlace:
    """Scores by one title of the history, ``place`` from its end; a ``bonus`` goes to the last candidate always."""

    place: int
    bonus: float = 0.0
    name: str = "sasrec"

    def scores(self, histories: list[History], candidates: np.ndarray) -> np.ndarray:
        found = np.zeros(candidates.shape, np.float32)
        for row, history in enumerate(histories):
            if len(history) >= self.place:
                found[row, int(history[-self.place]) % candidates.shape[1]] += 1
        found[:, -1] += self.bonus
        return found

    def catalogue_scores(self, histories: list[History]) -> np.ndarray:
        raise AssertionError("reasons among candidates ask about these alone")


def test_a_row_that_goes_by_the_last_title_is_driven_by_what_is_recent_and_one_that_counts_by_nothing() -> None:
    models = tiny_models()
    models.teachers = {"sasrec": ByPlace(1)}  # type: ignore[dict-item]
    found = drivers(models, 8, Monitor(), ["SASRec", "popularity"])
    assert together(3, lambda: drivers(models, 8, Monitor(), ["SASRec", "popularity"])) == [found] * 3
    assert found["users"] == 8
    row = found["rows"]["sasrec"]  # type: ignore[index]
    recent = row["kinds"]["recent"]
    assert recent["share"]["value"] > 0.9
    assert recent["control"]["value"] < recent["share"]["low"]
    assert recent["difference"]["value"] == pytest.approx(recent["share"]["value"] - recent["control"]["value"])
    assert row["sentence"].startswith("Recent titles")
    assert "count for more than their share of the history" in row["sentence"]
    counted = found["rows"]["popularity"]  # type: ignore[index]
    assert (counted["users"], counted["kinds"]) == (0, None)
    assert "fewer than two" in counted["sentence"]


def test_all_rows_are_asked_about_the_same_users_every_time_and_stages_follow_each_other() -> None:
    models = tiny_models(form="sequence")
    told: list[tuple[int, int]] = []

    class Told(Monitor):
        def progress(self, stage: str, done: int, total: int) -> None:
            assert stage == "drivers"
            told.append((done, total))

    found = drivers(models, 2, Told())
    assert list(found["rows"]) == list(all_rows(models.config))  # type: ignore[call-overload]
    assert [(it["before"], it["after"], it["stage"]) for it in found["stages"]] == [  # type: ignore[attr-defined]
        ("llm-zero-shot", "llm-distilled", "stage 1")
    ]
    assert told == sorted(told)
    assert told[-1] == (10, 10)
    again = drivers(models, 2, Monitor(), ["sasrec"])
    assert again["rows"]["sasrec"] == found["rows"]["sasrec"]  # type: ignore[index]


def test_what_a_stage_changed_is_told_of_the_same_users() -> None:
    def user(top: int, right: float, share: float | None) -> UserDrivers:
        return UserDrivers(
            top, 1.0 if right else 4.0, right, None if share is None else {"recent": share}, {"recent": 0.3}
        )

    before = [user(5, 0.0, 0.2), user(6, 1.0, 0.4), user(7, 0.0, None), user(8, 1.0, 0.5)]
    after = [user(9, 1.0, 0.8), user(6, 1.0, 0.6), user(9, 1.0, 0.9), user(1, 0.0, 0.5)]
    found = summary({"llm-distilled": before, "delrec": after}, ["recent"], 200, 0, ["llm-distilled", "delrec"])
    (change,) = found["stages"]  # type: ignore[misc]
    assert (change["stage"], change["gained"], change["lost"], change["users"]) == ("stage 2", 2, 1, 3)
    assert change["same_top"]["value"] == 0.25
    assert change["right"]["value"] == 0.25
    assert change["place"]["value"] == -0.75
    assert change["kinds"]["recent"]["share"]["value"] == pytest.approx(0.266667)


def test_bad_input_and_a_wish_to_stop() -> None:
    class Stop(Monitor):
        def should_stop(self) -> bool:
            return True

    models = tiny_models()
    with pytest.raises(StudioError, match="two users"):
        drivers(models, 1, Monitor())
    with pytest.raises(StudioError, match="no row 'nonsense'"):
        drivers(models, 3, Monitor(), ["nonsense"])
    with pytest.raises(Cancelled):
        drivers(models, 3, Stop())
