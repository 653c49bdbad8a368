"""App, worker and training process are killed in any order at any stage: soon after a restart all is true again."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from fake_recipe import CHECKPOINT_STEPS, GO, HELD, chain, config
from job_support import gone, wait_for, wait_state, wait_step

from db import runs
from db.runs import RESUMABLE, Run
from jobs import api

STEPS = 150
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def start_app() -> Iterator[Start]:
    """Starts apps with a worker beside them; at the end they and all that they started are gone."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, str(Path(__file__).with_name("fake_app.py"))]))
        return started[-1]

    yield start
    left: list[int] = []
    for app in started:
        if app.poll() is None:
            left += _below(app.pid)
            app.kill()
            app.wait()
    wait_for(lambda: all(map(gone, left)), "the apps' processes to end")


def _below(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # the death of another took it along
        os.kill(pid, signal.SIGKILL)


def _until_true(run_id: str) -> Run:
    """The run once its state is no longer that of a run under way."""
    wait_for(lambda: not runs.get(run_id).active, "the run's end to be seen")
    return runs.get(run_id)


def _checkpoint(run_id: str) -> int:
    path = runs.run_folder(run_id) / "checkpoint.json"
    return int(json.loads(path.read_text())[0]) if path.exists() else 0


def _moment(run_id: str, step: int | None) -> Run:
    """Wait for a step of the run, or, without one, only for its process."""
    if step is not None:
        return wait_step(run_id, step)
    wait_for(lambda: runs.get(run_id).pid is not None, "the process that trains")
    return runs.get(run_id)


def _goes_on(run_id: str, seen: int) -> None:
    """Nothing but the steps since the last checkpoint is lost, and the result is that of an undisturbed run."""
    assert _checkpoint(run_id) >= seen // CHECKPOINT_STEPS * CHECKPOINT_STEPS
    (runs.run_folder(run_id) / GO).touch()
    api.resume(run_id)
    wait_state(run_id, "done")
    assert api.results(run_id)["chain"] == chain(STEPS)
    assert [point.step for point in api.metrics(run_id)] == list(range(1, STEPS + 1))


ORDERS = list(itertools.permutations(("app", "worker", "child")))
PAST = CHECKPOINT_STEPS + 5
CASES = [(order, PAST) for order in ORDERS] + [(("worker", "child", "app"), None), (("child", "app", "worker"), 1)]


@pytest.mark.parametrize(("order", "step"), CASES, ids=lambda value: "-".join(value) if type(value) is tuple else None)
def test_all_are_killed(start_app: Start, order: tuple[str, ...], step: int | None) -> None:
    app = start_app()
    first, second = api.launch(config(steps=STEPS, way=f"{HELD} offspring")), api.launch(config(steps=3))
    run = _moment(first, step)
    processes = _below(app.pid)
    assert {run.pid, run.worker_pid} < set(processes)
    pids = {"app": app.pid, "worker": run.worker_pid, "child": run.pid}
    for name in order:
        _kill(pids[name])
    app.wait()

    start_app()
    ended = _until_true(first)
    assert ended.state in RESUMABLE
    assert ended.error
    assert api.status(second).state != "interrupted"
    wait_for(lambda: all(map(gone, processes)), "what they had started to end")
    wait_state(second, "done")
    _goes_on(first, step or 0)


def test_a_killed_training_process_is_told_apart_and_the_worker_takes_the_next_run(start_app: Start) -> None:
    app = start_app()
    first, second = api.launch(config(steps=STEPS, way=HELD)), api.launch(config(steps=3))
    run = _moment(first, PAST)
    _kill(run.pid or 0)
    ended = _until_true(first)
    assert (ended.state, ended.error) == ("failed", "killed from outside (SIGKILL)")
    wait_state(second, "done")
    assert api.status(second).worker_pid == run.worker_pid
    assert app.poll() is None
    _goes_on(first, PAST)


@pytest.mark.answerer
def test_a_killed_worker_is_replaced_and_its_run_is_interrupted(start_app: Start) -> None:
    app = start_app()
    first, second = api.launch(config(steps=STEPS, way=f"{HELD} offspring")), api.launch(config(steps=3))
    run = _moment(first, PAST)
    before = _below(app.pid)
    _kill(run.worker_pid or 0)
    assert _until_true(first).state == "interrupted"
    wait_for(lambda: all(map(gone, before)), "the worker's processes to end")
    wait_state(second, "done")
    assert api.status(second).worker_pid not in (None, run.worker_pid)
    _goes_on(first, PAST)


@pytest.mark.answerer
def test_a_killed_app_takes_all_along_and_queued_runs_wait_for_the_next_one(start_app: Start) -> None:
    app = start_app()
    first, second = api.launch(config(steps=STEPS, way=HELD)), api.launch(config(steps=3))
    _moment(first, PAST)
    before = _below(app.pid)
    _kill(app.pid)
    app.wait()
    assert _until_true(first).state == "interrupted"
    wait_for(lambda: all(map(gone, before)), "the app's processes to end")
    assert api.status(second).state == "queued"
    assert api.workers() == []
    start_app()
    wait_state(second, "done")
    _goes_on(first, PAST)


def test_a_run_that_was_being_cancelled_is_cancelled_after_the_restart(start_app: Start) -> None:
    app = start_app()
    run_id = api.launch(config(way="deaf"))
    wait_state(run_id, "running")
    before = _below(app.pid)
    assert api.cancel(run_id) == "cancelling"
    for pid in (app.pid, *before):
        _kill(pid)
    app.wait()
    start_app()
    assert _until_true(run_id).state == "cancelled"
    wait_for(lambda: all(map(gone, before)), "its processes to end")
