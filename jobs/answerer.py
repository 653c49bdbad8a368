"""The process that answers questions about finished runs.

The worker starts it, with its own number, and again should it die. It keeps the models of the run asked about last in
memory; some time after the last question it ends, so that a fresh one, without them, takes its place. It loads
libraries before the first question, so that nobody waits for them.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import psutil

from db import runs
from engine.errors import StudioError
from jobs import answers, logs
from jobs.process import Flag, end_with_parent
from jobs.queues import ANSWERS, Queue
from jobs.settings import FLAG_SECONDS

IDLE_SECONDS = 600.0
LIBRARIES = ("engine.explain.explainer", "engine.models")
"""What every answer about reasons needs: five seconds of a core, and ..."""
LIBRARY_BYTES = 1 << 30
"""... a quarter of that: loaded beforehand only where so much memory is free."""
POLL_SECONDS = 5.0


def load_libraries() -> None:
    """Load what answers need."""
    for name in LIBRARIES:
        importlib.import_module(name)


def alone(work: Callable[..., None], *arguments: int) -> None:
    """Libraries that load their parts on demand are not to be imported by two threads at once."""
    with _importing:
        work(*arguments)


_importing = threading.Lock()


def main(parent: int, prepare: Callable[[], None] = load_libraries) -> None:
    """Answer until SIGTERM, the end of the process ``parent``, or idleness.

    Args:
        prepare: called beside, once there is a finished run to be asked about.
    """
    stopping = Flag()
    last: list[float] = []
    """When the last question was settled; empty at first and while one is worked on."""

    def work(message: str) -> None:
        last.clear()
        alone(answers.answer, int(message))
        last.append(time.monotonic())

    consumer = Queue(ANSWERS, work).huey.create_consumer(workers=1, periodic=False, max_delay=0.5)
    consumer.start()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    end_with_parent(parent, stopping.set, FLAG_SECONDS)
    next_check = time.monotonic()
    while not stopping.wait(0.5):
        consumer.check_worker_health()
        if time.monotonic() >= next_check:
            next_check += POLL_SECONDS
            if psutil.virtual_memory().available > LIBRARY_BYTES and _asked_about():
                threading.Thread(target=alone, args=(prepare,), daemon=True).start()
                next_check = math.inf
        if last and time.monotonic() - last[0] > IDLE_SECONDS:
            break
    consumer.stop(graceful=not stopping.is_set())
    os._exit(0)  # an answer under way cannot be stopped otherwise; it is begun again elsewhere


def _asked_about() -> bool:
    """Whether there is a run about which something can be asked."""
    with contextlib.suppress(StudioError):  # the database is out of reach: later
        return bool(runs.search(states=["done"], limit=1))
    return False


if __name__ == "__main__":
    logs.prepare()
    main(int(sys.argv[1]))
