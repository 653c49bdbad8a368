"""Processes: who am I, is that one still alive, end a whole group, end with one's parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from queue import Empty, SimpleQueue

import psutil

from db.lifecycle import Owner

SAME_START_SECONDS = 2.0
"""Start times are derived from the clock, which may be set meanwhile."""
LATE_SECONDS = 30.0
"""A busy machine may delay a sign of life so long; no machine gives out all numbers of processes in that time."""
PR_SET_PDEATHSIG = 1


class Flag:
    """An event that signal handlers may set.

    ``threading.Event.set`` holds a lock meanwhile: a second signal that comes just then waits for it for ever, and so
    does every thread that sets the event after it. ``SimpleQueue.put`` may interrupt itself.
    """

    def __init__(self) -> None:
        self._set = False
        self._told: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake whoever waits."""
        if not self._set:
            self._set = True
            self._told.put(None)

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def wait(self, seconds: float) -> bool:
        """Until it is set, ``seconds`` at most; whether it is."""
        if not self._set:
            with contextlib.suppress(Empty):
                self._told.put(self._told.get(timeout=seconds))  # there may be others who wait
        return self._set


def owner(pid: int | None = None) -> Owner:
    """Identity of a process (by default this one)."""
    process = psutil.Process(pid)
    return Owner(process.pid, process.create_time(), platform.node())


def alive(pid: int | None, started: float | None) -> bool:
    """Whether that very process still runs on this machine; another one with its number does not count."""
    if pid is None or started is None:
        return False
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < SAME_START_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kill_group(leader: int) -> None:
    """End every process of a group at once; fine if none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_leftovers(leader: int, began: float, last_seen: datetime) -> None:
    """End what a dead group leader left running: members of its group from its own lifetime.

    The number of the group may have been given to strangers since; those are younger than ``last_seen``.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            born = process.create_time()
            mine = began - SAME_START_SECONDS <= born <= last_seen.timestamp() + LATE_SECONDS
            if process.pid != leader and mine and os.getpgid(process.pid) == leader:
                process.kill()


def end_with_parent(parent: int, stop: Callable[[], None], grace_seconds: float | None = None) -> None:
    """Call ``stop`` once the process ``parent`` is gone; after ``grace_seconds`` end this process's group.

    The kernel tells by SIGTERM where it can (Linux); a thread looks as well, because that signal comes only for the
    parent that is alive now, and other systems have none.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(0.5)
        stop()
        if grace_seconds is not None:
            pause.wait(grace_seconds)
            kill_group(os.getpgrp())

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
