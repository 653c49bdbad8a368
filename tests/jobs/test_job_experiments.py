"""Experiments in the database and the queue: started in one piece, led as one, true after kills."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from fake_recipe import ROOM, chain, config
from job_support import kill, wait_for, wait_state

from db import experiments as store
from db import lifecycle, runs, stages
from db.stages import Sharing, Stage
from db.store import writing
from engine.errors import StudioError
from engine.experiment.plan import Plan, Variant
from engine.paths import home
from jobs import api, experiments, process, queues
from jobs.experiment_forecast import ASKED_FROM, forecast_experiment


def _plan(ways: dict[str, str], steps: int = 3, **given: Any) -> Plan:
    """A variant for each way in which the fake recipe ends; preflight knows nothing of these ways."""
    base = config(steps).model_dump(mode="json")
    return Plan(base=base, variants=[Variant(label=k, settings={"data.path": v}) for k, v in ways.items()], **given)


def _start(plan: Plan, name: str = "mine") -> store.Experiment:
    return experiments.start(plan, name)


@pytest.fixture(autouse=True)
def _no_preflight(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake recipe's data are nowhere."""
    monkeypatch.setattr("jobs.experiment_forecast.preflight", lambda *_: [])


def test_all_runs_are_queued_in_order_and_known_by_their_variant():
    found = experiments.standing(_start(_plan({"a": "/a", "b": "/b"}, seeds=[0, 1])).id)
    assert [(found.labels[run.id], run.seed, run.state) for run in found.runs] == [
        *(("a", 0, "queued"), ("b", 0, "queued"), ("a", 1, "queued"), ("b", 1, "queued"))
    ]
    assert [run.name for run in found.runs] == ["mine-1", "mine-2", "mine-3", "mine-4"]
    assert lifecycle.queue() == [run.id for run in found.runs] == [run.id for run in reversed(api.runs())]
    assert queues.training().pending() == {run.id for run in found.runs}


def test_nothing_is_started_where_something_is_wrong(monkeypatch: pytest.MonkeyPatch):
    _start(_plan({"a": "/a"}))
    with pytest.raises(StudioError, match="exists already"):
        _start(_plan({"b": "/b"}))
    monkeypatch.setattr("db.experiments._enter", _full_disk)
    with pytest.raises(OSError, match="No space"):
        _start(_plan({"b": "/b"}), "other")
    assert [it.name for it, _ in experiments.listed()] == ["mine"]
    assert len(api.runs()) == 1


def _full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_paused_experiment_waits_and_others_do_not():
    paused, other = _start(_plan({"a": "/a", "b": "/b"})), _start(_plan({"c": "/c"}), "other")
    assert experiments.pause("mine") == 2
    (last,) = experiments.standing(other.id).runs
    first = experiments.standing(paused.id).runs[0]
    assert lifecycle.queue() == [last.id]
    assert (api.queue_position(last.id), api.queue_position(first.id)) == (1, None)
    assert not lifecycle.claim(first.id, process.owner())
    assert experiments.resume("mine") == 2
    assert lifecycle.claim(first.id, process.owner())


@pytest.mark.parametrize("hasty", [False, True], ids=["resumed once it has stopped", "resumed while it stops"])
def test_pausing_stops_what_is_under_way_and_it_goes_on_first(hasty: bool):
    found = experiments.standing(_start(_plan({"a": "/a", "b": "/b"})).id)
    first, second = (run.id for run in found.runs)
    assert lifecycle.claim(first, process.owner())
    assert experiments.pause("mine") == 2
    assert runs.get(first).state == "pausing"
    assert lifecycle.asked_to_stop(first)
    if hasty:
        assert experiments.resume("mine") == 2
    lifecycle.stop(first, error="stopped", remedy="")
    assert runs.get(first).state == "queued"
    if not hasty:
        assert lifecycle.queue() == []
        assert experiments.resume("mine") == 2
    assert lifecycle.queue() == [first, second]
    assert runs.get(first).reason == ""


def test_the_worker_of_a_paused_attempt_does_not_end_the_next_one():
    (run,) = experiments.standing(_start(_plan({"a": "/a"})).id).runs
    me, other = process.owner(), dataclasses.replace(process.owner(), pid=1)
    lifecycle.claim(run.id, me)
    experiments.pause("mine")
    lifecycle.stop(run.id, error="stopped", remedy="")
    experiments.resume("mine")
    assert lifecycle.claim(run.id, other)
    assert not lifecycle.finish(run.id, "failed", worker=me)
    assert lifecycle.finish(run.id, "failed", worker=other)


def test_what_is_cancelled_while_it_pauses_stays_so():
    found = experiments.standing(_start(_plan({"a": "/a"})).id)
    (run_id,) = (run.id for run in found.runs)
    assert lifecycle.claim(run_id, process.owner())
    experiments.pause("mine")
    api.cancel(run_id)
    lifecycle.stop(run_id, error="stopped", remedy="")
    assert runs.get(run_id).state == "cancelled"


def test_a_paused_run_stops_with_its_worker_and_goes_on_from_its_checkpoint(start_worker):
    experiment = _start(_plan({"held": "/held"}, steps=60))
    start_worker()
    (run_id,) = (run.id for run in experiments.standing(experiment.id).runs)
    wait_for(lambda: api.status(run_id).step > 20, "the held run")
    assert experiments.pause(experiment.id) == 1
    assert experiments.resume(experiment.id) == 1
    (api.status(run_id).folder / "go").touch()
    wait_state(run_id, "done")
    assert api.results(run_id)["chain"] == chain(60)


def test_cancelling_ends_what_is_not_done_and_failures_are_retried_alone():
    found = experiments.standing(_start(_plan({"a": "/a", "b": "/b", "c": "/c"})).id)
    failed, done, waiting = (run.id for run in found.runs)
    for run_id, state in ((failed, "failed"), (done, "done")):
        lifecycle.claim(run_id, process.owner())
        lifecycle.finish(run_id, state, error="why" if state == "failed" else None)
    assert experiments.cancel("mine") == 1
    assert experiments.standing("mine").counts == {"failed": 1, "done": 1, "cancelled": 1}
    assert experiments.standing("mine").ended
    assert experiments.retry_failed("mine") == 1
    assert lifecycle.queue() == [failed]
    assert experiments.resume("mine") == 2
    assert lifecycle.queue() == [failed, waiting]


def test_runs_are_put_together_afterwards_and_go_when_they_are_deleted():
    one, two, three = (api.launch(config(seed=n), name=f"run {n}") for n in range(3))
    made = experiments.gather([one, "run 1"], "together", "is it so?")
    assert experiments.add("together", [two, three]) == 1
    assert [run.id for run in experiments.standing(made.id).runs] == [one, two, three]
    api.delete(two)
    assert [run.id for run in experiments.standing(made.id).runs] == [one, three]
    assert experiments.delete("together") == 0
    assert {run.id for run in api.runs()} == {one, three}
    with pytest.raises(StudioError, match="no experiment 'together'"):
        experiments.standing("together")


def test_an_experiment_takes_its_runs_along_only_where_that_was_said():
    found = experiments.standing(_start(_plan({"a": "/a", "b": "/b"})).id)
    lifecycle.claim(found.runs[0].id, process.owner())
    with pytest.raises(StudioError, match="is under way"):
        experiments.delete("mine", with_runs=True)
    assert len(api.runs()) == 2
    lifecycle.finish(found.runs[0].id, "failed")
    assert experiments.delete("mine", with_runs=True) == 2
    assert api.runs() == []


@pytest.mark.parametrize("name", ["", "x" * 71, "two\nlines", "x-abc234", "r-abc234"])
def test_names_that_cannot_be_are_refused(name: str):
    with pytest.raises(StudioError, match=r"name|looks like an id"):
        _start(_plan({"a": "/a"}), name)
    assert api.runs() == []


def test_very_many_runs_are_started_by_those_who_have_seen_how_many():
    plan = _plan({"a": "/a"}, vary={"distill.steps": list(range(1, 101))}, seeds=list(range(100)))
    found = forecast_experiment(plan)
    assert (found.size, len(found.runs) < 100) == (10_000, True)
    with pytest.raises(StudioError, match="this starts 10,000 runs"):
        _start(plan)
    assert api.runs() == []


def test_two_hundred_runs_are_launched_without_being_asked():
    plan = _plan({"a": "/a"}, vary={"distill.steps": list(range(1, 21))}, seeds=list(range(10)))
    assert plan.size < ASKED_FROM
    _start(plan)
    assert len(lifecycle.queue()) == 200


def test_it_goes_on_past_failures_and_a_killed_worker(start_worker):
    plan = _plan({"bad": "/bad-input", "bug": "/bug", "held": "/held", "well": "/well"}, steps=60)
    experiment = _start(plan)
    worker = start_worker()
    bad, bug, held, well = (run.id for run in experiments.standing(experiment.id).runs)
    wait_for(lambda: api.status(held).state == "running" and api.status(held).step > 20, "the held run")
    kill(api.status(held).pid)
    kill(worker.pid)
    worker.wait()
    start_worker()
    wait_state(well, "done")
    wait_state(held, "interrupted", "failed")
    reasons = {run.id: run.error for run in experiments.standing(experiment.id).runs}
    assert "no column 'item'" in str(reasons[bad])
    assert reasons[bug]
    assert experiments.retry_failed(experiment.id) + experiments.resume(experiment.id) >= 3
    (api.status(held).folder / "go").touch()
    wait_state(held, "done")


def test_a_full_disk_fails_what_meets_it_with_the_reason_and_the_rest_is_made_once_there_is_room(start_worker):
    experiment = _start(_plan({"one": "/1/full", "well": "/well", "other": "/2/full", "last": "/last"}))
    start_worker()
    one, well, other, last = (run.id for run in experiments.standing(experiment.id).runs)
    ended = {run_id: wait_state(run_id, "done").finished_at for run_id in (well, last)}
    for run_id in (one, other):
        failed = wait_state(run_id, "failed")
        assert "the disk is full" in failed.reason
        assert "free some space" in failed.reason
    (home() / ROOM).touch()
    assert experiments.retry_failed(experiment.id) == 2
    for run_id in (one, other):
        wait_state(run_id, "done")
        assert api.results(run_id)["chain"] == chain(3)
    assert {run_id: api.status(run_id).finished_at for run_id in ended} == ended, "nothing finished is made again"


def test_deleted_runs_are_counted_and_the_plan_makes_them_again():
    made = _start(_plan({"a": "/a", "b": "/b"}, seeds=[0, 1]))
    assert experiments.standing(made.id).deleted == 0
    base, *_ = experiments.standing(made.id).runs
    api.delete(base.id)
    experiments.add(made.id, [api.launch(config(), name="put into it")])
    found = experiments.standing(made.id)
    assert (len(found.runs), found.deleted) == (4, 1)
    again = experiments.standing(_start(experiments.plan_in(found.experiment), "again").id)
    assert [again.labels[run.id] for run in again.runs] == ["a", "b", "a", "b"]
    together = experiments.gather([again.runs[0].id], "together")
    api.delete(again.runs[0].id)
    assert experiments.standing(together.id).deleted == 0
    with pytest.raises(StudioError, match="put together afterwards"):
        experiments.plan_in(together)
    with pytest.raises(StudioError, match="another version wrote the plan"):
        experiments.plan_in(dataclasses.replace(made, plan={"grid": {}}))


def test_what_runs_took_over_from_others_is_counted():
    made = _start(_plan({"a": "/a", "b": "/b"}))
    first, second = (run.id for run in experiments.standing(made.id).runs)
    with writing() as session:
        stages.save(
            first, [Stage("teacher", "done", 10.0, 1, 1, "step"), Stage("evaluate", "done", 4, 1, 1, "")], session
        )
        taken = [Stage("teacher", "done", 10.0, 1, 1, "step", {"": first}, 10.0),
                 Stage("evaluate", "done", 1, 1, 1, "", {"sasrec": first, "llm-zero-shot": first}, 3.5)]  # fmt: skip
        stages.save(second, taken, session)
    assert experiments.sharing(experiments.standing(made.id)) == Sharing(begun=4, taken=1, seconds=13.5, parts=2)


def test_the_outlook_counts_what_is_made_once(monkeypatch: pytest.MonkeyPatch):
    """Of two variants that differ in stage 2 alone, the second makes no teacher and no soft prompt, if they share."""
    from engine.settings import load_config

    monkeypatch.delenv("DELREC_SHARED_MB")
    base = load_config("smoke")
    plan = Plan(base=base.model_dump(mode="json"), vary={"finetune.steps": [10, 20]}, seeds=[0, 1])
    assert forecast_experiment(plan).alone is None
    seconds = {
        "data": 1.0,
        "llm": 1.0,
        "teacher": 10.0,
        "distil": 20.0,
        "finetune": 30.0,
        "text": 1.0,
        "plus": 5.0,
        "evaluate": 8.0,
    }
    _measured(base.model_dump(mode="json"), seconds)
    found = forecast_experiment(plan)
    assert found.alone == pytest.approx(2 * (75 + 105), rel=0.2)
    first, second = found.runs[:2]
    assert first.shared == first.alone
    assert second.shared == pytest.approx(second.alone - 30 - 8 / 2, rel=0.1)
    several = plan.model_copy(update={"base": {**plan.base, "run": {**plan.base["run"], "processes": 2}}})
    assert forecast_experiment(several).shared == forecast_experiment(several).alone
    monkeypatch.setenv("DELREC_SHARED_MB", "0")
    assert forecast_experiment(plan).shared == found.alone


def _measured(values: dict[str, Any], seconds: dict[str, float]) -> None:
    import platform

    run_id = runs.create("measured", values).id
    lifecycle.claim(run_id, process.owner())
    with writing() as session:
        stages.save(run_id, [Stage(name, "done", took, 1, 1, "step") for name, took in seconds.items()], session)
        lifecycle.end(run_id, "done", session)
    assert runs.get(run_id).host == platform.node()
