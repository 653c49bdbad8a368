"""Searches as runs: the worker begins one trial after the other, none asks test users before the search is closed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from db import experiments as store
from db import lifecycle, runs, stages
from db.schema import RunRow
from db.stages import Stage
from db.store import writing
from engine.config import RunConfig
from engine.errors import Cancelled, StudioError
from engine.experiment.search import Search, make_search
from engine.experiment.space import read_space
from engine.folder_monitor import FolderMonitor
from engine.monitor import Monitor, MonitorGroup
from engine.run_folder import RunFolder
from engine.settings import load_config
from engine.stages import stage_names
from jobs import api, experiments, process, searches, trials
from jobs.monitor import DatabaseMonitor
from jobs.runner import execute

TESTED: list[float] = []
"""Learning rates of the runs that asked test users."""


@pytest.fixture(autouse=True)
def _nobody_was_tested() -> None:
    TESTED.clear()


def _recipe(config: RunConfig, folder: Path, monitor: Monitor) -> dict[str, Any]:
    """Stage 2 validates the better the higher the learning rate; text and test users come behind."""
    run = RunFolder.create(folder, config)
    monitor = MonitorGroup([FolderMonitor(run), monitor])
    rate = config.finetune.lr
    if rate > 0.09:
        raise StudioError("training diverged", where="finetune.lr")
    if not run.is_done("finetune"):
        with run.stage("finetune", monitor, total=3):
            for step in range(4):
                monitor.check()
                monitor.metrics("finetune", step, {"validation.NDCG@10": 0.1 + step * rate})
    with run.stage("evaluate", monitor):
        TESTED.append(rate)
    number = {"value": 0.5, "low": 0.4, "high": 0.6}
    models = [{"name": "delrec", "kind": "llm", "candidates": {"HR@1": number}, "full": {}, "agreement": {}}]
    return {"run_id": run.run_id, "seed": config.seed, "models": models, "comparisons": []}


def _search(*lines: str, **given: Any) -> Search:
    return make_search("smoke", load_config("smoke"), read_space(lines or ("finetune.lr=1e-3..1e-2",)), **given)


def _work(most: int = 100) -> None:
    """What a worker does, until nothing waits."""
    for _ in range(most):
        searches.advance()
        waiting = lifecycle.queue()
        if not waiting:
            return
        _take(waiting[0])


def _take(run_id: str) -> None:
    assert lifecycle.claim(run_id, process.owner())
    with contextlib.suppress(Cancelled, StudioError):
        execute(run_id, DatabaseMonitor(run_id), recipe=_recipe)


def test_no_trial_asks_test_users_before_the_search_is_closed_and_then_the_best_does():
    made = searches.start(_search(trials=9), "lr", "which?")
    _work()
    found = searches.standing("lr")
    states = [it.run.state for it in found.tried]
    assert len(states) == 9
    assert found.ended
    assert {"validated", "pruned"} == set(states)
    assert found.summary.startswith("9 of 9 configurations begun: ")
    best = found.best
    assert best is not None
    values = [it.trial.value for it in found.tried if it.trial.value]
    assert best.trial.value == max(values) == pytest.approx(0.1 + 3 * best.trial.config.finetune.lr)
    assert found.ranked[0] == best
    assert TESTED == []
    for act in (api.results, api.resume, api.resume_in_foreground, api.retry):
        with pytest.raises(StudioError, match=rf"no results|not asked before.*delrec tune close {made.id}$"):
            act(best.run.id)  # by its id: a name may hold what shells read otherwise
    with pytest.raises(StudioError, match="its runs are its trials"):
        experiments.add("lr", [api.launch(load_config("smoke"))])
    assert experiments.resume("lr") == 0
    closed = searches.close(made.id)
    assert closed is not None
    assert closed.run.id == best.run.id
    _take(best.run.id)
    assert [best.trial.config.finetune.lr] == TESTED
    assert runs.get(best.run.id).state == "done"
    assert searches.standing("lr").best == searches.standing("lr").ranked[0]
    with pytest.raises(StudioError, match="closed already"):
        searches.close("lr")


def test_a_search_that_was_paused_and_killed_tries_what_it_would_have_tried():
    searches.start(_search(trials=5), "whole")
    _work()
    searches.start(_search(trials=5), "broken")
    _work(3)
    searches.advance()
    (waiting,) = lifecycle.queue()
    experiments.pause("broken")
    searches.advance()
    assert lifecycle.queue() == []
    experiments.resume("broken")
    assert lifecycle.claim(waiting, process.owner())
    lifecycle.finish(waiting, "interrupted", error="its process was killed")
    assert experiments.resume("broken") == 1
    _work()
    one, two = (searches.standing(name) for name in ("whole", "broken"))
    assert [it.label for it in one.tried] == [it.label for it in two.tried]
    assert [it.trial.points for it in one.tried] == [it.trial.points for it in two.tried]


def test_a_cancelled_search_begins_nothing_until_it_is_resumed():
    made = searches.start(_search(trials=4), "lr")
    assert experiments.cancel("lr") == 1
    _work()
    assert [it.run.state for it in searches.standing("lr").tried] == ["cancelled"]
    experiments.resume("lr")
    _work()
    assert len(searches.standing(made.id).tried) == 4


def test_of_a_closed_search_the_best_trial_goes_on_whatever_stops_it_and_no_other_does():
    made = searches.start(_search(trials=5, pruning=False), "lr")
    _work(2)
    searches.advance()
    assert lifecycle.claim(lifecycle.queue()[0], process.owner())
    lifecycle.finish(searches.standing("lr").tried[-1].run.id, "failed")
    searches.advance()
    best = searches.close(made.id)
    assert best is not None
    states = ["cancelled", "failed", "queued", "validated"]
    assert sorted(it.run.state for it in searches.standing("lr").tried) == states
    added = api.launch(load_config("smoke"), name="added")
    experiments.add("lr", [added])
    lifecycle.request_cancel(added)
    for state, goes_on in (
        ("cancelled", experiments.resume),
        ("interrupted", experiments.resume),
        ("failed", experiments.retry_failed),
    ):
        assert lifecycle.claim(best.run.id, process.owner())
        lifecycle.finish(best.run.id, state)
        still = searches.standing("lr").best
        assert still is not None
        assert still.run.id == best.run.id
        goes_on("lr")
        assert {*lifecycle.queue()} == {best.run.id, added}
    assert searches.standing("lr").summary == "4 of 5 configurations begun: 2 validated to the end, 1 failed, 1 stopped"
    _take(best.run.id)
    assert [best.trial.config.finetune.lr] == TESTED


def test_of_two_workers_one_begins_a_trial_and_deleted_ones_count_as_tried():
    made = searches.start(_search(trials=3), "lr")
    config = load_config("smoke").model_dump(mode="json")
    assert store.add_trial(made.id, 1, config, "a") is not None
    assert store.add_trial(made.id, 1, config, "b") is None
    first = searches.standing("lr").tried[0].run
    api.delete(first.id)
    found = searches.standing("lr")
    assert (found.experiment.tried, len(found.tried)) == (2, 1)
    assert "1 deleted" in found.summary


def test_no_trial_becomes_a_run_like_others_before_the_search_is_closed(tmp_path):
    made = searches.start(_search(trials=2), "lr")
    _work()
    with pytest.raises(StudioError, match="'lr' is a search: its runs are its trials") as refused:
        experiments.delete("lr")
    assert f"tune close {made.id}" in refused.value.remedy
    for it in searches.standing("lr").tried:
        with pytest.raises(StudioError, match="is a trial of the search 'lr'"):
            api.export_run(it.run.id, tmp_path / "trial.zip")
    assert experiments.delete("lr", with_runs=True) == 2
    assert runs.search() == []
    again = searches.start(_search(trials=2), "lr")
    _work()
    searches.close(again.id)
    assert experiments.delete("lr") == 0
    assert len(runs.search()) == 2


def test_failures_are_passed_over_until_nothing_but_failures_has_come():
    searches.start(_search("finetune.lr=0.08,0.091,0.005", trials=3), "some")
    _work()
    found = searches.standing("some")
    assert sorted(it.run.state for it in found.tried) == ["failed", "validated", "validated"]
    searches.start(_search("finetune.lr=0.091..0.2", trials=20), "none")
    _work()
    hopeless = searches.standing("none")
    assert hopeless.hopeless
    assert hopeless.experiment.tried == searches.GIVEN_UP
    assert searches.close("none") is None


def test_a_database_out_of_reach_gives_no_trial_up(monkeypatch: pytest.MonkeyPatch):
    searches.start(_search(trials=6, pruning=False), "lr")
    _work(5)
    assert {it.run.state for it in searches.standing("lr").tried} == {"validated"}
    searches.advance()
    (last,) = lifecycle.queue()
    monitor = trials.monitor_of(last)
    assert monitor is not None
    monitor.search = monitor.search.model_copy(update={"pruning": True})

    def gone(*_: object) -> list[Any]:
        raise OperationalError("select", {}, Exception("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(trials, "tried", gone)
        monitor.metrics("finetune", 1, {"validation.NDCG@10": -1.0})
    assert monitor.outcome is None
    monitor.metrics("finetune", 1, {"validation.NDCG@10": -1.0})
    assert (monitor.outcome, monitor.should_stop()) == ("pruned", True)
    monitor.stage("finetune", "skipped")
    assert monitor.outcome == "validated"


def test_what_would_fail_is_refused_before_anything_is_queued():
    with pytest.raises(StudioError, match="'/nowhere' is not known"):
        searches.start(_search("llm.name=tiny-causal,/nowhere"))
    assert api.runs() == []
    with pytest.raises(StudioError, match="is no search"):
        searches.standing(experiments.gather([api.launch(load_config("smoke"))], "mine").id)


def test_what_a_search_takes_counts_what_is_made_once_if_anything_is_shared(monkeypatch):
    found = searches.forecast_search(_search(trials=10))
    assert (found.trials, found.seconds, found.problems) == (10, None, ())
    seconds = dict.fromkeys(stage_names(load_config("smoke")), 1.0) | {"teacher": 3.0, "distil": 5.0}
    run_id = runs.create("measured", load_config("smoke").model_dump(mode="json")).id
    lifecycle.claim(run_id, process.owner())
    with writing() as session:
        stages.save(run_id, [Stage(name, "done", took, 1, 1, "step") for name, took in seconds.items()], session)
        lifecycle.end(run_id, "done", session)
    alone = searches.forecast_search(_search(trials=10)).seconds
    monkeypatch.delenv("DELREC_SHARED_MB")
    shared = searches.forecast_search(_search(trials=10)).seconds
    assert alone is not None
    assert shared == alone - 9 * (3 + 5), "teacher and soft prompt are made once"


def test_the_summary_counts_every_trial_once_whatever_its_state():
    made = searches.start(_search(trials=9, pruning=False), "lr")
    _work(3)
    first = experiments.standing("lr").runs[0]
    for state in runs.STATES:
        with writing() as session:
            session.execute(update(RunRow).where(RunRow.id == first.id).values(state=state))
        found = searches.standing(made.id)
        begun, _, counted = found.summary.partition(": ")
        numbers = [int(part.split()[0]) for part in counted.split(", ")]
        assert (begun, sum(numbers)) == (f"{found.experiment.tried} of 9 configurations begun", found.experiment.tried)
