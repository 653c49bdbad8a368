"""Durations are told from runs that were done on this machine, and from nothing else."""

from __future__ import annotations

import platform
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from db import results, runs, stages
from db.runs import Run
from db.schema import RunRow
from db.stages import Stage
from db.store import writing
from engine.config import RunConfig
from engine.settings import load_config
from engine.stages import stage_names
from jobs.forecast import forecast
from webapp.views.launch import estimate

SECONDS = {"data": 1.0, "llm": 2.0, "teacher": 8.0, "distil": 60.0, "finetune": 100.0, "evaluate": 30.0}


def _config(*overrides: str) -> RunConfig:
    return load_config("smoke", overrides=["plus.enabled=false", *overrides])


def _done(
    *overrides: str, host: str | None = None, factor: float = 1.0, hours_ago: int = 1, users: int | None = None
) -> Run:
    config = _config(*overrides)
    run = runs.create(None, config.model_dump(mode="json"), state="starting")
    finished = datetime.now(UTC) - timedelta(hours=hours_ago)
    with writing() as session:
        known = [Stage(n, "done", factor * SECONDS[n.partition(":")[0]], 1, 1, "step") for n in stage_names(config)]
        stages.save(run.id, known, session)
        values = {"state": "done", "host": host or platform.node(), "peak_rss_mb": 700.0, "finished_at": finished}
        session.execute(update(RunRow).where(RunRow.id == run.id).values(**values))
        if users:
            results.save(run.id, {"details": {"users_available": users}}, session)
    return runs.get(run.id)


def test_nothing_is_guessed_where_nothing_was_measured() -> None:
    told = forecast(_config())
    assert (told.seconds, told.memory_mb, told.source, told.stages) == (None, None, None, {})
    assert told.missing == tuple(stage_names(_config()))


def test_an_equal_run_tells_its_own_duration_whatever_its_seed() -> None:
    run = _done("seed=5")
    told = forecast(_config())
    assert (told.equal, told.source, told.memory_mb) == (True, run.name, 700.0)
    assert told.seconds == pytest.approx(sum(SECONDS.values()))


def test_work_is_scaled_stage_by_stage() -> None:
    _done()
    config = _config()
    more = _config("teacher.epochs=8", "finetune.steps=20", "finetune.validation_users=1")
    told = forecast(more)
    assert not told.equal
    assert told.stages["teacher"] == pytest.approx(SECONDS["teacher"] * 8 / config.teacher.epochs)
    assert told.stages["distil"] == pytest.approx(SECONDS["distil"])
    prompts = {c.finetune.steps: 3 * c.finetune.steps * c.finetune.batch_size for c in (config, more)}
    work = prompts[20] + 5, prompts[10] + 3 * config.finetune.validation_users
    assert told.stages["finetune"] == pytest.approx(SECONDS["finetune"] * work[0] / work[1])


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ("llm.name=tiny-seq2seq", {"llm", "distil", "finetune", "evaluate"}),
        ("teacher.name=gru4rec", {"teacher"}),
        ("data.dataset=ml-100k", {"data", "teacher", "evaluate"}),
        ("finetune.top_layers=1", {"finetune"}),
        ("finetune.passes=2", {"finetune"}),
        ("teacher.negatives=30", {"teacher"}),
    ],
)
def test_what_was_never_measured_stays_unknown(change: str, missing: set[str]) -> None:
    _done()
    told = forecast(_config(change))
    assert set(told.missing) == missing
    assert told.seconds is None


ALL, HUNDRED = "eval.users=", "eval.users=100"


@pytest.mark.parametrize(
    ("measured", "asked", "factor"),
    [
        (ALL, HUNDRED, 100 / 60_000),
        (HUNDRED, ALL, 60_000 / 100),
        (HUNDRED, "eval.users=90000", 60_000 / 100),
        (HUNDRED, "eval.users=50", 0.5),
        (ALL, ALL, 1),
    ],
)
def test_the_evaluation_takes_as_long_as_there_are_users(measured: str, asked: str, factor: float) -> None:
    _done(measured, users=60_000)
    told = forecast(_config(asked))
    assert told.stages["evaluate"] == pytest.approx(factor * SECONDS["evaluate"])
    assert not told.users_unknown


def test_users_that_nobody_counted_are_not_guessed() -> None:
    _done(ALL)  # a record that does not say how many there were
    assert forecast(_config(ALL)).stages["evaluate"] == SECONDS["evaluate"]
    told = forecast(_config(HUNDRED))
    assert (told.missing, told.users_unknown, told.seconds) == (("evaluate",), False, None)
    _done(HUNDRED, "data.min_interactions=9", users=70, hours_ago=2)  # the same files, and other users left
    told = forecast(_config(ALL, "data.min_interactions=12"))
    assert ("evaluate" in told.missing, told.users_unknown) == (True, True)
    assert "not known before a first run" in estimate(told)
    assert forecast(_config(ALL, "data.min_interactions=9", "data.history=7")).stages["evaluate"] > 0


def test_a_further_teacher_tells_of_the_same_architecture() -> None:
    _done("teacher.also=[gru4rec]")
    assert forecast(_config("teacher.name=gru4rec")).stages["teacher"] == SECONDS["teacher"]


def test_a_further_copy_takes_as_long_as_the_first() -> None:
    _done("teacher.also=[gru4rec]")
    told = forecast(_config("teacher.also=[gru4rec]", "teacher.copies=2")).stages
    assert told["teacher:sasrec-2"] == told["teacher:gru4rec-2"] == SECONDS["teacher"]


def test_the_most_alike_run_counts_and_among_equals_the_latest() -> None:
    _done("finetune.lr=0.5", factor=9, hours_ago=1)
    _done(factor=2, hours_ago=3)
    _done(factor=3, hours_ago=2)
    told = forecast(_config())
    assert told.stages["distil"] == 3 * SECONDS["distil"]
    assert told.stages["llm"] == 2 * SECONDS["llm"]  # fetching happens once: the quickest load is the usual one


def test_other_machines_do_not_count() -> None:
    _done(host="elsewhere")
    assert forecast(_config()).seconds is None


def test_the_cost_of_a_run_is_all_its_stages_together() -> None:
    run, double = _done(), _done(factor=2.0)
    total = sum(SECONDS.values())
    assert stages.total_seconds([run.id, double.id, "r-zzzzzz"]) == {run.id: total, double.id: 2 * total}
