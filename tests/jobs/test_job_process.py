"""Processes: what a signal handler sets can be set again while it is being set."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

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
    found = subprocess.run([sys.executable, "-c", STORM], capture_output=True, text=True, timeout=30)
    assert found.stdout.strip() == "True", found.stderr


def test_all_who_wait_are_woken() -> None:
    flag = Flag()
    assert not flag.wait(0.01)
    assert not flag.is_set()
    woken: list[bool] = []
    waiting = [threading.Thread(target=lambda: woken.append(flag.wait(30))) for _ in range(3)]
    for thread in waiting:
        thread.start()
    began = time.monotonic()
    flag.set()
    for thread in waiting:
        thread.join()
    assert woken == [True] * 3
    assert time.monotonic() - began < 10
    assert flag.is_set()
