"""Processes: who am I, is that one still alive, end a whole group, end with one's parent."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import psutil

from db.owner import Owner

SAME_START_SECONDS = 2.0
"""Start times that count from 1970 may come from the clock, which is set by fractions of seconds all the time."""
MARK = "_DELREC_RUN"
"""In the environment of whatever a run starts: its id, so that what it leaves running is known for its own."""
PROC = Path("/proc")
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
    number = os.getpid() if pid is None else pid
    boot = _boot()
    started = _ticks(number)[0] / _ticks_per_second() if boot else psutil.Process(number).create_time()
    return Owner(number, started, platform.node(), boot)


def here(host: str | None, boot: str | None) -> bool:
    """Whether numbers of processes from there are those of this machine, so that :func:`alive` can tell.

    Not after a restart of the machine, nor in another container, even if its name is the same: there, as on other
    machines, only signs of life tell. Where ``boot`` is not known the name of the machine decides.
    """
    return host == platform.node() and (not boot or boot == _boot())


def alive(found: Owner | None) -> bool:
    """Whether that very process of this machine still runs; another one with its number does not count."""
    if found is None:
        return False
    try:
        if found.boot:
            ticks, state = _ticks(found.pid)
            return state not in "ZX" and ticks == round(found.started * _ticks_per_second())
        process = psutil.Process(found.pid)
        same = abs(process.create_time() - found.started) < SAME_START_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


@functools.cache
def _boot() -> str:
    """See :attr:`db.owner.Owner.boot`.

    psutil's start times are of no use on Linux: it adds the start of the machine by the present clock, so they move
    with every step of the clock, and containers may be told another start of the machine.
    """
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _ticks(pid: int) -> tuple[int, str]:
    """When a process started, in ticks since the start of the machine, and its state, a letter.

    Raises:
        OSError: there is none.
    """
    line = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    fields = line.rpartition(")")[2].split()  # the name before it may hold anything
    return int(fields[19]), fields[0]


@functools.cache
def _ticks_per_second() -> int:
    return os.sysconf("SC_CLK_TCK")


def kill_group(leader: int) -> None:
    """End every process of a group at once; fine if none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


@contextlib.contextmanager
def marked(run_id: str) -> Iterator[None]:
    """What this process starts meanwhile is known for a part of the run, and is ended before the run's end is told:
    nobody looks for what belonged to a run that has ended."""
    os.environ[MARK] = run_id
    try:
        yield
    finally:
        del os.environ[MARK]
        kill_leftovers(os.getpgrp(), run_id)


def kill_leftovers(leader: int, run_id: str) -> None:
    """End what a run's process left running: members of its group that the run has started.

    The number of the group may have been given to strangers since.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            mine = process.pid not in (leader, os.getpid()) and os.getpgid(process.pid) == leader
            if mine and process.environ().get(MARK) == run_id:
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
