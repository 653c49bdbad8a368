"""Processes: what a signal handler sets can be set again while it is being set."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from job_support import PATIENCE

from jobs import process
from jobs.process import Flag

STORM = """
import signal, time
from jobs.process import Flag

def again(*_):
    flag.set()

flag = Flag()
signal.signal(signal.SIGALRM, again)
for _ in range(3000):
    signal.setitimer(signal.ITIMER_REAL, 0.00005)  # somewhere among these
    for _ in range(20):
        flag = Flag()
        flag.set()
signal.setitimer(signal.ITIMER_REAL, 0)
print(flag.wait(0.1))
"""


def test_a_signal_may_interrupt_the_handler_of_another() -> None:
    found = subprocess.run([sys.executable, "-c", STORM], capture_output=True, text=True, timeout=PATIENCE)
    assert found.stdout.strip() == "True", found.stderr


def test_all_who_wait_are_woken() -> None:
    flag = Flag()
    assert not flag.wait(0.01)
    assert not flag.is_set()
    woken: list[bool] = []
    # for ever, as it were: who is not woken is found by the join
    waiting = [threading.Thread(target=lambda: woken.append(flag.wait(3600)), daemon=True) for _ in range(3)]
    for thread in waiting:
        thread.start()
    flag.set()
    for thread in waiting:
        thread.join(PATIENCE)
    assert woken == [True] * 3
    assert flag.is_set()


def test_a_process_is_known_by_what_no_clock_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    me, began = process.owner(), psutil.Process.create_time
    assert me.boot, "Linux tells which start of the machine this is"
    monkeypatch.setattr(psutil.Process, "create_time", lambda it: began(it) + 3600)
    assert process.owner() == me
    assert process.alive(me)
    assert process.here(me.host, me.boot)
    assert not process.here("another", me.boot)
    assert not process.here(me.host, "another")


@pytest.mark.parametrize("known", [True, False], ids=["by the machine's start", "by the clock, as elsewhere"])
def test_a_zombie_and_a_number_that_nobody_has_are_dead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known) -> None:
    if not known:
        monkeypatch.setattr(process, "PROC", tmp_path)
    process._boot.cache_clear()
    try:
        with subprocess.Popen(["sleep", "60"]) as child:
            found = process.owner(child.pid)
            assert bool(found.boot) == known
            assert process.alive(found)
            assert process.here(found.host, found.boot)
            child.kill()
            while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
            assert not process.alive(found)
        assert not process.alive(found)
        assert not process.alive(None)
    finally:
        process._boot.cache_clear()


def test_a_name_with_brackets_and_blanks_does_not_hide_the_start(tmp_path: Path) -> None:
    odd = tmp_path / "a) S 1 (b"
    shutil.copy(shutil.which("sleep"), odd)
    with subprocess.Popen([odd, "60"]) as child:
        assert process.alive(process.owner(child.pid))
        child.kill()
