"""The worker: takes runs from the queue, one or a few at a time. It is started beside the app, or by ``delrec worker``.

Beside it stands a process that answers questions about finished runs, see :mod:`jobs.answerer`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from db import workers
from engine import interpreter
from engine.errors import StudioError
from jobs import api, health, heartbeat, logs, process, resources, searches, trackers
from jobs.process import Flag, end_with_parent
from jobs.queues import TRAINING, Queue
from jobs.settings import FLAG_SECONDS, RECOVER_SECONDS, job_settings
from jobs.share import Share
from jobs.supervisor import CHILD, supervise

WORKER = interpreter.command("jobs.worker")
ANSWERER = interpreter.command("jobs.answerer")
RESTART_SECONDS = 2.0
STUCK_SECONDS = 120.0
"""A worker that has not looked around for so long is not well."""

logger = logging.getLogger(__name__)


def run_worker(parent: int | None = None, command: Sequence[str] = CHILD, answerer: Sequence[str] = ANSWERER) -> None:
    """Work until SIGTERM or Ctrl-C; call it in the main thread.

    A run at work is then interrupted and keeps a checkpoint. With ``parent``, the end of that process ends the worker
    as well. ``command`` is the program that trains, ``answerer`` the one that answers questions.

    Raises:
        StudioError: it does not belong to the others (:func:`jobs.resources.check_in`); database, queue, a tracker
            or the address at which it answers cannot be used.
    """
    trackers.check()
    health.address()
    me, own = process.owner(), resources.own_resources()
    resources.check_in("worker", own)
    workers.beat(me, own.as_dict())
    api.recover()
    stopping = Flag()
    share = Share()
    told: dict[str, str] = {}
    fault = heartbeat.WriteFault("what was lost is not looked for")

    def beat() -> bool:
        return workers.beat(me, replace(own, runs=share.runs).as_dict())

    def work(run_id: str) -> None:
        if left_to_others(run_id, own.lacks(api.needs(run_id)), told):
            return
        with share.taken(run_id, stopping):
            supervise(run_id, stopping, command)
        with fault.logged_once():
            searches.advance()

    queue = Queue(TRAINING, work)
    consumer = queue.huey.create_consumer(workers=share.at_once, periodic=False, max_delay=1.0, graceful_signal="TERM")
    consumer.start()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    if parent is not None:
        end_with_parent(parent, stopping.set)
    answering = _start([*answerer, str(me.pid)])
    moved = time.monotonic()
    with (
        heartbeat.given(beat),
        health.served(lambda: share.runs, lambda: moved, STUCK_SECONDS),
    ):
        while not stopping.wait(RECOVER_SECONDS):
            moved = time.monotonic()
            with fault.logged_once():  # out of reach for a while; what is lost is found next time
                api.recover()
                searches.advance()
            consumer.check_worker_health()
            if answering.poll() is not None:
                answering = _start([*answerer, str(me.pid)])
        consumer.stop(graceful=True)
        _stop(answering)
    with contextlib.suppress(SQLAlchemyError, StudioError):
        workers.leave(me)


def left_to_others(run_id: str, lack: str, told: dict[str, str]) -> bool:
    """Whether this worker lacks something for a run, which is sent to the queue again, until one takes it that can.

    Args:
        lack: what, in words; empty: nothing.
        told: what was said of each run: it comes round every few seconds, and is told once.
    """
    if not lack:
        told.pop(run_id, None)
        return False
    if told.get(run_id) != lack:
        logger.info("left to others: %s", lack, extra={"run": run_id})
        told[run_id] = lack
    return True


@contextlib.contextmanager
def worker_process(program: Sequence[str] = WORKER) -> Iterator[None]:
    """A worker beside this process, e.g. for the web app.

    It is started again should it die, stopped at the end, and never outlives this process. ``program`` is started
    with this process's number added.

    Raises:
        StudioError: a tracker cannot be used.
    """
    trackers.check()
    ending = threading.Event()
    command = [*program, str(os.getpid())]

    def keep() -> None:  # the thread that starts the worker stays: with it the kernel would end the worker
        while not ending.is_set():
            worker = _start(command)
            while worker.poll() is None and not ending.wait(0.2):
                pass
            if worker.poll() is None:
                _stop(worker)
            elif not ending.wait(RESTART_SECONDS):
                logger.warning("the worker ended with status %s and is started again", worker.returncode)

    keeper = threading.Thread(target=keep, name="worker-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, env=interpreter.environment())


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(job_settings().grace_seconds + 2 * FLAG_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


if __name__ == "__main__":
    try:
        logs.prepare()
        run_worker(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    except StudioError as error:
        sys.exit(str(error))
