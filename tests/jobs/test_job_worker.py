"""The worker that a web app keeps beside itself."""

from __future__ import annotations

import subprocess
import sys

import psutil
from job_support import command, gone, kill, wait_for

from jobs import worker

APP = "import time\nfrom jobs.worker import worker_process\nwith worker_process():\n    time.sleep(600)"


def _workers(parent: int) -> list[int]:
    return [child.pid for child in psutil.Process(parent).children() if "jobs.worker" in command(child)]


def test_a_worker_that_dies_is_replaced_and_the_last_one_ends_with_the_app():
    me = psutil.Process().pid
    with worker.worker_process():
        wait_for(lambda: len(_workers(me)) == 1, "the worker to start")
        (first,) = _workers(me)
        kill(first)
        wait_for(lambda: _workers(me) not in ([], [first]), "another worker")
        (second,) = _workers(me)
    assert gone(second)


def test_a_worker_does_not_outlive_an_app_that_was_killed():
    app = subprocess.Popen([sys.executable, "-c", APP])
    wait_for(lambda: len(_workers(app.pid)) == 1, "the worker to start")
    (child,) = _workers(app.pid)
    app.kill()
    app.wait()
    wait_for(lambda: gone(child), "the worker to end")


def test_an_ended_child_that_nobody_has_waited_for_is_no_worker():
    child = subprocess.Popen([sys.executable, "-c", "pass", "jobs.worker"])
    wait_for(lambda: gone(child.pid), "it to end")
    assert _workers(psutil.Process().pid) == []
    child.wait()
