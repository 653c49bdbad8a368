"""A run from the queue to its results; cancel, resume, retry, clone."""

from __future__ import annotations

import logging
import sqlite3

import pytest
from fake_recipe import chain, config
from job_support import gone, wait_for, wait_state, wait_step
from sqlalchemy.exc import OperationalError

from db.store import DatabaseUnreachable
from engine.errors import StudioError
from engine.settings import make_config
from jobs import api, queues
from jobs.queues import TRAINING, Queue


def test_a_launched_run_goes_through_the_queue_to_its_results(start_worker):
    run_id = api.launch(config(steps=30), preset="smoke", name="first")
    assert (api.status("first").state, api.queue_position(run_id)) == ("queued", 1)

    start_worker()
    run = wait_state(run_id, "done")

    assert api.results(run_id)["chain"] == chain(30)
    assert [(stage.name, stage.state) for stage in api.stages(run_id)] == [("data", "done"), ("distil", "done")]
    points = api.metrics(run_id)
    assert [point.step for point in points] == list(range(1, 31))
    assert api.metrics(run_id, after=points[9].id) == points[10:]
    assert (run.stage, run.step, run.total, run.error) == ("distil", 30, 30, None)
    assert run.started_at <= run.heartbeat <= run.finished_at
    assert run.peak_rss_mb > 1
    assert "distil: begins" in api.log_tail(run_id)
    wait_for(lambda: gone(run.pid), "its process to end")


def test_runs_take_turns_in_the_order_of_their_launch(start_worker):
    ids = [api.launch(config(steps=5)) for _ in range(3)]
    assert [api.queue_position(run_id) for run_id in ids] == [1, 2, 3]
    start_worker()
    wait_state(ids[2], "done")
    runs = [api.status(run_id) for run_id in ids]
    assert runs[0].finished_at <= runs[1].started_at
    assert runs[1].finished_at <= runs[2].started_at


def test_a_cancelled_run_keeps_its_checkpoint_and_resumes_exactly(start_worker):
    start_worker()
    run_id = api.launch(config(steps=300))
    wait_step(run_id, 5)
    assert api.cancel(run_id) == "cancelling"
    run = wait_state(run_id, "cancelled")
    assert 5 <= run.step < 300
    wait_for(lambda: gone(run.pid), "its process to end")
    assert api.stages(run_id)[-1].state == "stopped"
    with pytest.raises(StudioError, match="is not under way, it is cancelled"):
        api.cancel(run_id)

    assert api.resume(run_id) == run_id
    wait_state(run_id, "done")
    assert api.results(run_id)["chain"] == chain(300)
    assert [point.step for point in api.metrics(run_id)] == list(range(1, 301))


def test_a_queued_run_is_cancelled_at_once_and_never_starts(start_worker):
    first, second = api.launch(config(steps=5)), api.launch(config(steps=5))
    assert api.cancel(first) == "cancelled"
    assert api.queue_position(second) == 1
    start_worker()
    wait_state(second, "done")
    assert (api.status(first).state, api.status(first).started_at) == ("cancelled", None)
    assert not api.status(first).folder.exists()


def test_a_run_that_does_not_listen_is_killed_after_its_grace(start_worker, monkeypatch):
    monkeypatch.setenv("DELREC_STOP_GRACE", "0.5")
    start_worker()
    run_id = api.launch(config(way="deaf"))
    run = wait_state(run_id, "running")
    api.cancel(run_id)
    wait_state(run_id, "cancelled")
    wait_for(lambda: gone(run.pid), "its process to end")


def test_only_runs_that_stopped_early_can_be_resumed(start_worker):
    run_id = api.launch(config(steps=3))
    with pytest.raises(StudioError, match="cannot be resumed, it is queued"):
        api.resume(run_id)
    start_worker()
    wait_state(run_id, "done")
    with pytest.raises(StudioError, match="cannot be resumed, it is done"):
        api.resume(run_id)


def test_a_retry_says_what_it_is():
    first = api.launch(config(steps=7), preset="smoke", name="first")
    again = api.status(api.retry("first"))
    assert (again.origin, again.parent_id, again.preset) == ("retry", first, "smoke")
    assert make_config(again.config) == config(steps=7)


def test_a_run_is_not_left_behind_when_the_queue_is_out_of_reach(monkeypatch):
    monkeypatch.setenv("DELREC_QUEUE_URL", "carrier-pigeon://loft")
    with pytest.raises(StudioError, match="cannot queue on carrier-pigeon"):
        api.launch(config())
    assert api.runs() == []


def test_the_queue_holds_signed_ids_only():
    run_id = api.launch(config())
    queue = queues.training()
    assert queue.pending() == {run_id}
    message = queue.huey.storage.enqueued_items()[0]
    assert run_id.encode() in message
    queue.huey.storage.enqueue(message.replace(run_id.encode(), b"r-evil22"))
    assert queue.pending() == {run_id}


def _never_a_trace(records: list[logging.LogRecord]) -> list[str]:
    assert not [record for record in records if record.exc_info], "a sentence, not a trace"
    return [record.getMessage() for record in records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "fault", [OperationalError("select", {}, Exception("full")), DatabaseUnreachable("out of reach", remedy="start it")]
)
def test_a_worker_that_cannot_ask_the_database_says_so_once_in_a_sentence_and_goes_on(caplog, fault) -> None:
    faults, worked = [fault, fault], []

    def work(run_id: str) -> None:
        if faults:
            raise faults.pop()
        worked.append(run_id)

    queue = Queue(TRAINING, work)
    for run_id in "abc":
        queue.add(run_id)
        queue.huey.execute(queue.huey.dequeue())
    assert worked == ["c"]
    assert _never_a_trace(caplog.records) == [
        f"the queue 'training': what waits is not taken up: {fault}",
        "the queue 'training': what waits is not taken up: no longer",
    ]


@pytest.mark.parametrize("fault", [sqlite3.OperationalError("database or disk is full"), ConnectionError("refused")])
def test_a_queue_that_cannot_be_read_is_told_once_in_a_sentence_and_read_again(monkeypatch, caplog, fault) -> None:
    monkeypatch.setattr(queues, "UNREAD_SECONDS", 0)
    queue, faults = Queue(TRAINING, lambda _: None), [fault, fault]
    read = queue.huey.storage.dequeue

    def dequeue() -> bytes | None:
        if faults:
            raise faults.pop()
        return read()

    monkeypatch.setattr(queue.huey.storage, "dequeue", dequeue)
    queue.add("r-1")
    assert [queue.huey.dequeue(), queue.huey.dequeue()] == [None, None]
    assert queue.huey.dequeue().args == ["r-1"]
    first, last = _never_a_trace(caplog.records)
    assert f"out of reach: {fault}" in first
    assert "check disk space" in first
    assert last.endswith("no longer")


def test_strange_messages_and_those_of_deleted_runs_cost_no_trace(caplog) -> None:
    run_id = api.launch(config())
    storage = queues.training().huey.storage
    storage.enqueue(storage.enqueued_items()[0].replace(run_id.encode(), b"r-evil22"))
    api.delete(run_id)
    assert api.needs(run_id) == {}
    taken: list[str] = []
    queue = Queue(TRAINING, taken.append)
    for _ in range(2):
        if task := queue.huey.dequeue():
            queue.huey.execute(task)
    assert taken == [run_id]
    assert "is not of this data folder" in "".join(_never_a_trace(caplog.records))
