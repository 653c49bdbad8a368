"""kill -9 of anything at any moment: states come true, nothing is lost but steps, no orphan stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from fake_recipe import CHECKPOINT_STEPS, GO, HELD, chain, config
from job_support import gone, kill, wait_for, wait_state, wait_step
from sqlalchemy import update

from db import clock, lifecycle, runs
from db.owner import Owner
from db.schema import RunRow
from db.store import writing
from jobs import api, heartbeat, process, queues, recovery
from jobs.supervisor import supervise


@pytest.mark.parametrize("step", [1, CHECKPOINT_STEPS + 5])
def test_a_killed_worker_takes_its_child_along_and_the_run_goes_on_later(start_worker, step):
    worker = start_worker()
    run_id = api.launch(config(steps=300, way=HELD))
    run = wait_step(run_id, step)
    kill(worker.pid)
    worker.wait()
    wait_for(lambda: gone(run.pid), "the orphan to end")
    assert api.status(run_id).state == "interrupted"

    start_worker()
    (runs.run_folder(run_id) / GO).touch()
    api.resume(run_id)
    wait_state(run_id, "done")
    assert api.results(run_id)["chain"] == chain(300)
    assert [point.step for point in api.metrics(run_id)] == list(range(1, 301))


def test_worker_and_child_killed_together_leave_an_interrupted_run_and_no_process(start_worker):
    worker = start_worker()
    run_id = api.launch(config(steps=300, way=f"{HELD} offspring"))
    run = wait_step(run_id, CHECKPOINT_STEPS + 5)
    offspring = [child.pid for child in psutil.Process(run.pid).children()]
    os.kill(run.pid, signal.SIGSTOP)  # so that it cannot put its affairs in order
    kill(worker.pid)
    kill(run.pid)
    worker.wait()
    wait_for(lambda: gone(run.pid))

    api.recover()
    run = runs.get(run_id)
    assert (run.state, run.error) == ("interrupted", "its process was killed")
    wait_for(lambda: all(map(gone, offspring)), "the offspring to end")

    start_worker()
    (runs.run_folder(run_id) / GO).touch()
    api.resume(run_id)
    wait_state(run_id, "done")
    assert api.results(run_id)["chain"] == chain(300)
    assert [point.step for point in api.metrics(run_id)] == list(range(1, 301))


def test_a_worker_that_is_stopped_interrupts_its_run_with_a_checkpoint(start_worker):
    worker = start_worker()
    run_id = api.launch(config(steps=300, way=HELD))
    wait_step(run_id, 5)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    run = runs.get(run_id)
    assert run.state == "interrupted"
    assert (run.folder / "checkpoint.json").exists()
    assert gone(run.pid)


def test_a_run_that_was_being_cancelled_when_all_died_is_cancelled(start_worker):
    worker = start_worker()
    run_id = api.launch(config(way="deaf"))
    run = wait_state(run_id, "running")
    kill(worker.pid)
    api.cancel(run_id)
    kill(run.pid)
    worker.wait()
    wait_for(lambda: gone(run.pid))
    api.recover()
    assert runs.get(run_id).state == "cancelled"


def test_two_workers_never_run_one_job(start_worker):
    ids = [api.launch(config(steps=3)) for _ in range(4)]
    for run_id in ids * 3:  # messages that come several times
        queues.training().add(run_id)
    start_worker()
    start_worker()
    for run_id in ids:
        wait_state(run_id, "done")
        log = api.log_tail(run_id)
        assert log.count("distil: begins") == 1
        assert api.results(run_id)["chain"] == chain(3)


def test_a_message_that_a_dying_worker_took_is_sent_again(start_worker):
    run_id = api.launch(config(steps=3))
    assert queues.training().huey.storage.dequeue() is not None
    assert queues.training().pending() == set()
    start_worker()
    wait_state(run_id, "done")


def _pretend_running(owner: Owner, age: float) -> str:
    run_id = api.launch(config())
    lifecycle.claim(run_id, owner)
    lifecycle.begin(run_id, owner)
    with writing() as session:
        heartbeat = datetime.now(UTC) - timedelta(seconds=age)
        session.execute(update(RunRow).where(RunRow.id == run_id).values(heartbeat=heartbeat, worker_pid=None))
    return run_id


def test_on_another_machine_only_the_heartbeat_tells():
    elsewhere = Owner(1, 1.0, "another-machine")
    fresh, stale = _pretend_running(elsewhere, age=1), _pretend_running(elsewhere, age=60)
    assert recovery.settle() == [stale]
    assert runs.get(fresh).state == "running"


def test_a_live_process_is_left_alone_and_a_reused_number_is_not_taken_for_it():
    me = process.owner()
    alive, reused = _pretend_running(me, age=60), _pretend_running(replace(me, started=me.started - 0.01), age=1)
    assert recovery.settle() == [reused]
    assert runs.get(alive).state == "running"


def test_rows_of_earlier_versions_and_of_systems_without_proc_are_understood():
    """They count starts in seconds since 1970."""
    me = process.owner()
    started = psutil.Process().create_time()
    alive, reused = (_pretend_running(Owner(me.pid, started - ago, me.host), age=60) for ago in (0, 99))
    assert recovery.settle() == [reused]
    assert runs.get(alive).state == "running"


@pytest.mark.parametrize("hours", [-5, 1 / 60, 30])
def test_a_step_of_the_clock_ends_no_run_that_lives_here_or_elsewhere(monkeypatch, hours):
    elsewhere = Owner(1, 1.0, "another-machine")
    mine, living, dead = (_pretend_running(owner, age=0) for owner in (process.owner(), elsewhere, elsewhere))
    _set_clock(monkeypatch, hours)

    def beat() -> bool:
        with writing() as session:
            return lifecycle.beat(living, elsewhere, {}, session)

    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.1)
    with heartbeat.given(beat):
        assert recovery.settle() == [dead]
    assert [runs.get(run_id).state for run_id in (mine, living)] == ["running", "running"]


def _set_clock(monkeypatch, hours):
    """What a step of the system's clock does: to it, and to the starts of processes as psutil derives them."""
    now, started = clock.now, psutil.Process.create_time
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(hours=hours))
    monkeypatch.setattr(psutil.Process, "create_time", lambda it: started(it) + hours * 3600)


@pytest.mark.parametrize("boot", ["another-start/4026531836", "{same}/1"], ids=["restarted", "container"])
def test_after_a_restart_of_the_machine_and_in_another_container_only_signs_of_life_tell(boot):
    me = process.owner()
    there = replace(me, boot=boot.format(same=me.boot.partition("/")[0]))
    fresh, stale = _pretend_running(there, age=1), _pretend_running(there, age=60)
    assert recovery.settle() == [stale]
    assert runs.get(fresh).state == "running"


def test_a_run_whose_process_takes_long_to_start_is_not_given_up_while_its_worker_waits(monkeypatch):
    monkeypatch.setattr(heartbeat, "STALE_SECONDS", 0.5)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.1)
    run_id = api.launch(config())
    slow = (sys.executable, "-c", "import time; time.sleep(2)")
    waiting = threading.Thread(target=supervise, args=(run_id, process.Flag(), slow))
    waiting.start()
    wait_for(lambda: runs.get(run_id).state == "starting")
    ended = []
    while waiting.is_alive() and runs.get(run_id).state == "starting":
        ended += recovery.settle()
    waiting.join()
    assert ended == []
    assert runs.get(run_id).error.startswith("crashed with exit status 0")


def test_the_queue_keeps_its_order_when_the_clock_is_set_back(monkeypatch):
    ids = [api.launch(config())]
    for hours in (-1, -2):
        with monkeypatch.context() as patch:
            _set_clock(patch, hours)
            ids.append(api.launch(config()))
    api.cancel(ids[0])
    api.resume(ids[0])
    assert lifecycle.queue() == [*ids[1:], ids[0]]


def test_settling_does_not_end_the_next_attempt_of_a_run_believed_dead():
    run_id = _pretend_running(Owner(1, 1.0, "another-machine"), age=60)
    seen = runs.get(run_id).heartbeat
    lifecycle.finish(run_id, "interrupted")
    lifecycle.take_over(run_id, process.owner())
    assert not lifecycle.stop(run_id, error="its process was killed", remedy="", seen=seen)
    assert runs.get(run_id).state == "starting"


def test_a_process_whose_run_was_given_away_is_told_to_stop():
    me = process.owner()
    run_id = _pretend_running(me, age=1)
    with writing() as session:
        assert lifecycle.beat(run_id, me, {}, session)
        for other in (replace(me, pid=me.pid + 1), replace(me, started=me.started + 1), replace(me, host="another")):
            assert not lifecycle.beat(run_id, other, {}, session)


def test_what_a_dead_process_left_is_ended_but_strangers_that_got_its_number_are_not() -> None:
    program = "import subprocess; p = subprocess.Popen(['sleep', '60'], stdout=-3); print(p.pid, flush=True); p.wait()"
    environment = {**os.environ, process.MARK: "r-abc234"}
    with subprocess.Popen(
        [sys.executable, "-c", program], start_new_session=True, stdout=subprocess.PIPE, text=True, env=environment
    ) as leader:
        assert leader.stdout is not None
        left = int(leader.stdout.readline())
        leader.kill()
    process.kill_leftovers(leader.pid, "r-xyz789")
    process.kill_leftovers(leader.pid + 1, "r-abc234")
    assert not gone(left)
    process.kill_leftovers(leader.pid, "r-abc234")
    wait_for(lambda: gone(left), "the process that was left")
