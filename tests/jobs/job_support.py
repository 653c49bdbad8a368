"""What the tests of jobs share: waiting for states, killing processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import psutil

from db.runs import Run
from jobs import api

PATIENCE = 60.0


def wait_for(condition: Callable[[], bool], what: str = "it") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def wait_state(run_id: str, *states: str) -> Run:
    wait_for(lambda: api.status(run_id).state in states, f"{run_id} to be {states}")
    return api.status(run_id)


def wait_step(run_id: str, step: int) -> Run:
    wait_for(lambda: api.status(run_id).step >= step, f"{run_id} to reach step {step}")
    return api.status(run_id)


def gone(pid: int | None) -> bool:
    try:
        return pid is not None and psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def command(process: psutil.Process) -> list[str]:
    """What it was started as; nothing for one that has ended, which it may do between any two questions about it."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one of those
        return []


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
