"""What a run tells while it works."""

from __future__ import annotations

import math

import pytest
from fake_recipe import config
from sqlalchemy.exc import OperationalError

from db import lifecycle, metrics
from jobs import api, estimate, monitor, process
from jobs.monitor import DatabaseMonitor


@pytest.fixture
def run_id() -> str:
    run_id = api.launch(config())
    lifecycle.claim(run_id, process.owner())
    lifecycle.begin(run_id, process.owner())
    return run_id


def test_progress_stages_and_memory_reach_the_database(run_id):
    with DatabaseMonitor(run_id) as recorder:
        recorder.stage("data", "running")
        recorder.stage("data", "done", seconds=1.5)
        recorder.stage("distil", "running", total=30)
        recorder.progress("distil", 7, 30)
    run = api.status(run_id)
    assert (run.stage, run.step, run.total) == ("distil", 7, 30)
    assert 1 < run.rss_mb <= run.peak_rss_mb
    data, distil = api.stages(run_id)
    assert (data.name, data.state, data.seconds) == ("data", "done", 1.5)
    assert (distil.state, distil.step, distil.total, distil.unit) == ("running", 7, 30, "step")


def test_a_stage_finished_in_an_earlier_attempt_counts_as_done(run_id):
    with DatabaseMonitor(run_id) as recorder:
        recorder.stage("data", "skipped", seconds=4.0)
    assert [(stage.state, stage.seconds) for stage in api.stages(run_id)] == [("done", 4.0)]


def test_points_wait_for_a_database_that_is_out_of_reach(run_id, monkeypatch):
    def locked(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    recorder = DatabaseMonitor(run_id)
    with monkeypatch.context() as patch:
        patch.setattr(monitor.metrics, "append", locked)
        with recorder:
            recorder.metrics("distil", 1, {"loss": 2.0})
    assert api.metrics(run_id) == []
    recorder.metrics("distil", 2, {"loss": 1.0, "broken": math.nan})
    recorder.__exit__(None, None, None)
    assert [(point.name, point.step) for point in metrics.since(run_id)] == [("loss", 1), ("loss", 2)]


def test_cancelling_in_the_page_reaches_the_engine(run_id):
    recorder = DatabaseMonitor(run_id)
    api.cancel(run_id)
    with recorder:
        pass
    assert recorder.should_stop()


def test_time_left_follows_the_speed_of_the_stage_and_what_later_stages_took(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(estimate.time, "monotonic", lambda: clock[0])
    plan = estimate.TimeEstimate(["data", "distil", "evaluate"], {"data": 5.0, "distil": 50.0, "evaluate": 20.0})
    plan.begin("distil")
    plan.progress(10, 30)  # resumed at 10
    assert (plan.stage_seconds(), plan.run_seconds()) == (None, 70.0)
    clock[0] += 4
    plan.progress(12, 30)
    assert (plan.stage_seconds(), plan.run_seconds()) == (36.0, 56.0)
    clock[0] += 6
    assert plan.stage_seconds() == 30.0


def test_time_left_of_a_run_that_was_never_measured_is_not_guessed(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(estimate.time, "monotonic", lambda: clock[0])
    plan = estimate.TimeEstimate(["distil", "evaluate"], {})
    plan.begin("distil")
    plan.progress(0, 10)
    clock[0] += 1
    plan.progress(5, 10)
    assert (plan.stage_seconds(), plan.run_seconds()) == (1.0, None)
    plan.begin("evaluate")
    plan.progress(0, 4)
    clock[0] += 1
    plan.progress(2, 4)
    assert (plan.stage_seconds(), plan.run_seconds()) == (1.0, 1.0)
