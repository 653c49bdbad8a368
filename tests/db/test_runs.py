"""Runs: names, search, edits, states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import update
from sqlalchemy.exc import StatementError

from db import lifecycle, runs, stages
from db.owner import Owner
from db.schema import RunRow
from db.stages import Stage
from db.store import writing
from engine.config import RunConfig
from engine.errors import StudioError
from engine.paths import home

CONFIG = RunConfig().model_dump(mode="json")
ME = Owner(1, 2.0, "here")
HOSTILE = [
    "<script>alert(1)</script>",
    "${constructor.constructor('alert(1)')()}",
    "'; DROP TABLE runs; --",
    "../../etc/passwd",
    "🎬 فيلم 电影 %_\\",
]


def test_a_run_is_read_back_as_it_was_written():
    before = datetime.now(UTC)
    run = runs.create("mine", CONFIG, preset="smoke")
    assert runs.get(run.id) == runs.find("mine") == runs.find(run.id) == run
    assert (run.state, run.origin, run.seed, run.config) == ("queued", "new", 0, CONFIG)
    assert before <= run.created_at <= datetime.now(UTC)
    assert run.created_at.tzinfo is UTC
    assert run.folder == home() / "runs" / run.id
    assert run.as_dict()["created_at"] == run.created_at.isoformat()


def test_times_need_a_zone_and_come_back_as_utc():
    run = runs.create("mine", CONFIG)
    zone = timezone(timedelta(hours=9))
    with writing() as session:
        session.get(RunRow, run.id).started_at = datetime(2026, 1, 1, 9, tzinfo=zone)
    assert runs.get(run.id).started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert runs.get(run.id).started_at.tzinfo is UTC
    with writing() as session:
        naive = update(RunRow).values(started_at=datetime(2026, 1, 1))
        with pytest.raises(StatementError, match="time zone"):
            session.execute(naive)


def test_names_are_unique_and_free_ones_are_found():
    assert [runs.create(None, CONFIG, stem="smoke").name for _ in range(3)] == ["smoke-1", "smoke-2", "smoke-3"]
    runs.create("mine", CONFIG)
    with pytest.raises(StudioError, match="a run called 'mine' exists already"):
        runs.create(" mine ", CONFIG)
    other = runs.create("other", CONFIG)
    with pytest.raises(StudioError, match="exists already"):
        runs.rename(other.id, "mine")
    runs.rename(other.id, "other")
    runs.rename(other.id, "better")
    assert runs.find("better").id == other.id


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "x" * 81, "bell\a", "right\u202eleft", "r-abc234"])
def test_names_that_mislead_are_refused(name):
    with pytest.raises(StudioError, match="name"):
        runs.create(name, CONFIG)
    assert runs.search() == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    run = runs.create(text, CONFIG)
    runs.annotate(run.id, tags=[text], note=text)
    found = runs.find(text)
    assert (found.id, found.name, found.tags, found.note) == (run.id, text, [text], text)
    assert found.folder.parent == home() / "runs"
    assert [hit.id for hit in runs.search(text)] == [run.id]


@pytest.mark.parametrize("name", ["..", "../..", "/etc", "r-abc234/../..", "r-ABC234", "r-abc234\n", ""])
def test_no_folder_leads_out_of_the_runs(name):
    with pytest.raises(StudioError, match="is not the id of a run"):
        runs.run_folder(name)


def test_search_finds_newest_first_by_text_and_state():
    first, second = runs.create("Alpha", CONFIG, preset="smoke"), runs.create("beta", CONFIG)
    runs.annotate(second.id, tags=["keep", " keep ", ""], note="the ALPHABET")
    assert runs.get(second.id).tags == ["keep"]
    assert [run.name for run in runs.search()] == ["beta", "Alpha"]
    assert [run.name for run in runs.search("alpha")] == ["beta", "Alpha"]
    assert [run.name for run in runs.search("smoke")] == ["Alpha"]
    assert [run.name for run in runs.search(limit=1)] == ["beta"]
    lifecycle.claim(first.id, ME)
    assert [run.name for run in runs.search(states=["starting"])] == ["Alpha"]


def test_an_unknown_run_is_named():
    for ask in (runs.get, runs.find):
        with pytest.raises(StudioError, match="no run 'r-nosuch'"):
            ask("r-nosuch")


def _in_state(state: str) -> str:
    run_id = runs.create(None, CONFIG).id
    if state == "queued":
        return run_id
    lifecycle.claim(run_id, ME)
    if state in ("running", *ASK_TO_STOP):
        lifecycle.begin(run_id, ME)
    if state in ASK_TO_STOP:
        ASK_TO_STOP[state](run_id)
    if state == "done" or state in STOPPED:
        lifecycle.finish(run_id, state)
    assert runs.get(run_id).state == state
    return run_id


STOPPED = {"failed", "cancelled", "interrupted", "validated", "pruned"}
ASK_TO_STOP = {"cancelling": lifecycle.request_cancel, "pausing": lambda run_id: lifecycle.request_pause_of([run_id])}
ACTIVE = {"starting", "running", *ASK_TO_STOP}


@pytest.mark.parametrize("state", runs.STATES)
def test_a_change_of_state_happens_from_the_right_states_only(state):
    assert lifecycle.claim(_in_state(state), ME) == (state == "queued")
    assert lifecycle.begin(_in_state(state), ME) == (state == "starting")
    assert lifecycle.finish(_in_state(state), "done") == (state in ACTIVE)
    assert lifecycle.requeue(_in_state(state)) == (state in STOPPED)
    assert lifecycle.take_over(_in_state(state), ME) == (state in STOPPED)
    expected = "cancelled" if state == "queued" else "cancelling" if state in ACTIVE else None
    assert lifecycle.request_cancel(_in_state(state)) == expected
    run_id = _in_state(state)
    assert lifecycle.request_pause_of([run_id]) == (state in {"starting", "running", "pausing"})
    assert lifecycle.asked_to_stop(run_id) == (state in ACTIVE)
    with writing() as session:
        assert lifecycle.remove(_in_state(state), session) == (state not in ACTIVE)


def test_the_queue_is_in_order_of_queueing_and_positions_count_from_one():
    first, second, third = (runs.create(None, CONFIG).id for _ in range(3))
    lifecycle.request_cancel(first)
    assert lifecycle.queue() == [second, third]
    lifecycle.requeue(first)
    assert lifecycle.queue() == [second, third, first]
    assert [lifecycle.queue_position(run_id) for run_id in (second, third, first)] == [1, 2, 3]
    lifecycle.claim(second, ME)
    assert [lifecycle.queue_position(run_id) for run_id in (second, third, first)] == [None, 1, 2]


def test_a_resumed_run_forgets_why_it_stopped():
    run_id = _in_state("running")
    lifecycle.finish(run_id, "failed", error="out of memory", remedy="lower the batch size")
    assert runs.get(run_id).reason == "out of memory — lower the batch size"
    lifecycle.requeue(run_id)
    run = runs.get(run_id)
    assert (run.reason, run.finished_at) == ("", None)


def test_stages_keep_their_order_and_what_was_running_is_stopped_at_the_end():
    run_id = _in_state("running")
    data, distil = Stage("data", "done", 1.5, 0, 0, "step"), Stage("distil", "running", 2.0, 3, 10, "step")
    with writing() as session:
        stages.save(run_id, [data, distil], session)
        stages.save(run_id, [Stage("data", "done", 1.6, 0, 0, "step")], session)
    lifecycle.finish(run_id, "interrupted")
    assert stages.of(run_id) == [
        Stage("data", "done", 1.6, 0, 0, "step"),
        Stage("distil", "stopped", 2.0, 3, 10, "step"),
    ]


def test_durations_are_taken_from_an_equal_run_on_the_same_machine():
    run_id = _in_state("running")
    with writing() as session:
        stages.save(run_id, [Stage("data", "done", 1.5, 0, 0, "step")], session)
    lifecycle.finish(run_id, "done")
    assert stages.measured({**CONFIG, "seed": 5}, "here") == {"data": 1.5}
    assert stages.measured(CONFIG, "elsewhere") == {}
    assert stages.measured({**CONFIG, "eval": {}}, "here") == {}
