"""The process that answers questions about finished runs.

The worker starts it, with its own number, and again should it die. It keeps the models of the run asked about last in
memory; some time after the last question it ends, so that a fresh one, without them, takes its place.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from jobs import answers, logs
from jobs.process import Flag, end_with_parent
from jobs.queues import ANSWERS, Queue
from jobs.settings import FLAG_SECONDS

IDLE_SECONDS = 600.0


def main(parent: int) -> None:
    """Answer until SIGTERM, the end of the process ``parent``, or idleness."""
    stopping = Flag()
    last: list[float] = []
    """When the last question was settled; empty at first and while one is worked on."""

    def work(message: str) -> None:
        last.clear()
        answers.answer(int(message))
        last.append(time.monotonic())

    consumer = Queue(ANSWERS, work).huey.create_consumer(workers=1, periodic=False, max_delay=0.5)
    consumer.start()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    end_with_parent(parent, stopping.set, FLAG_SECONDS)
    while not stopping.wait(0.5):
        consumer.check_worker_health()
        if last and time.monotonic() - last[0] > IDLE_SECONDS:
            break
    consumer.stop(graceful=not stopping.is_set())
    os._exit(0)  # an answer under way cannot be stopped otherwise; it is begun again elsewhere


if __name__ == "__main__":
    logs.prepare()
    main(int(sys.argv[1]))
