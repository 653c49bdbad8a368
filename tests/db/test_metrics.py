"""Curves are append-only, read in increments, and down-sampled in stable buckets."""

from __future__ import annotations

import numpy as np
import pytest

from db import lifecycle, metrics, runs
from db.metrics import Best
from db.schema import CurveRow, PointRow
from db.store import reading, writing
from engine.config import RunConfig
from engine.curves import CurveName

CONFIG = RunConfig().model_dump(mode="json")


def _new(name: str) -> str:
    return runs.create(name, CONFIG).id


def _append(run_id: str, name: str, steps: range) -> None:
    with writing() as session:
        metrics.append(run_id, [("distil", name, step, float(step)) for step in steps], session)


def test_increments_hold_every_point_once_and_no_other_runs_points():
    mine, other = _new("mine"), _new("other")
    seen: list[int] = []
    after = 0
    for start in range(0, 30, 10):
        _append(mine, "loss", range(start, start + 10))
        _append(other, "loss", range(start, start + 10))
        points = metrics.since(mine, after)
        after = points[-1].id
        seen += [point.step for point in points]
    assert seen == list(range(30))
    assert metrics.since(mine, after) == []
    assert [point.step for point in metrics.since(mine, limit=4)] == [0, 1, 2, 3]


def test_steps_that_a_resumed_run_repeats_count_once_and_keep_their_first_value():
    run_id = _new("mine")
    _append(run_id, "loss", range(10))
    with writing() as session:
        metrics.append(run_id, [("distil", "loss", step, -1.0) for step in range(5, 15)], session)
    values = {point.step: point.value for point in metrics.since(run_id)}
    assert values == {step: float(step) if step < 10 else -1.0 for step in range(15)}


def test_short_curves_come_exactly():
    run_id = _new("mine")
    _append(run_id, "loss", range(1, 6))
    _append(run_id, "validation.NDCG@10", range(0, 10, 5))
    loss, validation = metrics.curves([run_id], limit=5)
    assert (loss.name, loss.steps, loss.values) == (
        CurveName("distil", "loss"),
        (1, 2, 3, 4, 5),
        (1.0, 2.0, 3.0, 4.0, 5.0),
    )
    assert (validation.name.stage, validation.steps) == ("distil", (0, 5))


@pytest.mark.parametrize("size", [11, 64, 65, 500, 999])
def test_long_curves_keep_every_peak_and_their_end(size: int) -> None:
    run_id = _new("mine")
    values = np.random.default_rng(size).normal(size=size)
    with writing() as session:
        metrics.append(run_id, [("distil", "loss", 3 * place, value) for place, value in enumerate(values)], session)
    (curve,) = metrics.curves([run_id], limit=10)
    kept = {step // 3: value for step, value in zip(curve.steps, curve.values, strict=True)}
    assert len(kept) == len(curve.steps) <= 10
    assert list(curve.steps) == sorted(curve.steps)
    assert all(values[place] == value for place, value in kept.items())
    assert {int(values.argmin()), int(values.argmax()), size - 1} <= kept.keys()
    width = next(2**power for power in range(20) if 2 * (3 * (size - 1) // 2**power + 1) < 10)
    for begin in range(0, 3 * size, width):
        piece = [place for place in range(size) if begin <= 3 * place < begin + width]
        assert not piece or {min(piece, key=values.item), max(piece, key=values.item)} <= kept.keys()


def test_level_curves_stay_short() -> None:
    run_id = _new("mine")
    with writing() as session:
        metrics.append(run_id, [("distil", "lr", step, 0.5) for step in range(1000)], session)
    (curve,) = metrics.curves([run_id], limit=100)
    assert len(curve.steps) < 100
    assert (curve.steps[0], curve.steps[-1]) == (0, 999)


def test_new_points_leave_all_buckets_but_the_last_as_they_were():
    run_id = _new("mine")
    _append(run_id, "loss", range(1000))
    (before,) = metrics.curves([run_id], limit=300)
    _append(run_id, "loss", range(1000, 1150))
    (after,) = metrics.curves([run_id], limit=300)
    assert after.steps[: len(before.steps)] == before.steps
    assert after.values[: len(before.values)] == before.values
    assert len(after.steps) <= 300


def test_curves_are_chosen_by_run_and_name():
    first, second = _new("first"), _new("second")
    for run_id in (first, second):
        _append(run_id, "loss", range(3))
        _append(run_id, "lr", range(3))
    chosen = metrics.curves([first, second], names=[CurveName("distil", "lr")])
    assert [(curve.run_id, curve.name) for curve in chosen] == [
        (run, CurveName("distil", "lr")) for run in (first, second)
    ]
    assert metrics.curves([first], stages=["finetune"]) == []


def test_the_best_point_is_the_first_highest_of_all_points_of_the_stages_own_curve():
    mine, other = _new("mine"), _new("other")
    rising_and_level = [("teacher", "validation.NDCG@10", step, min(step, 40) / 100) for step in range(0, 61, 10)]
    losses = [("distil", "validation.objective", step, -abs(step - 7.0)) for step in range(1000)]
    elsewhere = [("distil", "validation.NDCG@10", 3, 9.0)]
    with writing() as session:
        metrics.append(mine, rising_and_level + losses + elsewhere, session)
        metrics.append(other, [("teacher", "validation.NDCG@10", 90, 9.0)], session)
    pairs = (("teacher", "NDCG@10"), ("distil", "objective"), ("finetune", "NDCG@10"))
    names = [CurveName(stage, what, validation=True) for stage, what in pairs]
    assert metrics.best(mine, names) == {"teacher": Best(40, 0.4, 60), "distil": Best(7, 0.0, 999)}
    assert metrics.best(mine, []) == {}


def test_a_deleted_run_takes_its_points_along_and_others_read_on():
    mine, other = _new("mine"), _new("other")
    _append(mine, "loss", range(5))
    _append(other, "loss", range(5))
    after = metrics.since(mine)[-1].id
    with writing() as session:
        assert lifecycle.remove(other, session)
    with reading() as session:
        assert session.query(CurveRow).count() == 1
        assert session.query(PointRow).count() == 5
    _append(mine, "loss", range(5, 8))
    assert [point.step for point in metrics.since(mine, after)] == [5, 6, 7]
