"""Watches over the process that trains: starts it, stops it when asked, says why it died."""

from __future__ import annotations

import logging
import math
import subprocess
import time
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from db import lifecycle, runs
from engine import interpreter
from engine.errors import StudioError
from engine.run_folder import RunFolder
from jobs import failures, heartbeat, process
from jobs.retrying import retry
from jobs.settings import FLAG_SECONDS, JobSettings, job_settings

logger = logging.getLogger(__name__)

CHILD = interpreter.command("jobs.child")
CHILD_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
"""What it prints goes into its log."""
POLL_SECONDS = 0.25


def supervise(run_id: str, stopping: process.Flag, command: Sequence[str] = CHILD) -> None:
    """Claim a run and stay with its process until it has ended; returns at once if another worker has claimed it.

    Args:
        stopping: set when the worker shuts down: the run is interrupted and keeps a checkpoint.
        command: the program to start, with the run's id and this process's number added.
    """
    worker = process.owner()
    if stopping.is_set() or not lifecycle.claim(run_id, worker):
        return
    logger.info("begins", extra={"run": run_id})
    folder = RunFolder(runs.run_folder(run_id))
    kills = failures.memory_kills()
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with folder.log.open("ab") as log:
            child = subprocess.Popen(
                [*command, run_id, str(worker.pid)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=interpreter.environment(**CHILD_ENVIRONMENT, **{process.MARK: run_id}),
            )
    except OSError as error:
        reason, remedy = failures.explain(error)
        lifecycle.finish(run_id, "failed", error=reason, remedy=remedy)
        return
    with heartbeat.given(lambda: lifecycle.await_start(run_id, worker)):
        _wait(run_id, child, stopping, job_settings())
    process.kill_group(child.pid)
    reason, remedy = failures.explain_exit(child.returncode, folder.log, failures.memory_kills() - kills)

    def finish() -> None:
        if stopping.is_set() or lifecycle.asked_to_stop(run_id):
            lifecycle.stop(run_id, error="the worker was stopped", remedy=failures.CHECKPOINT)
        else:  # unless it has ended by itself, and another worker has the next attempt
            lifecycle.finish(run_id, "failed", error=reason, remedy=remedy, worker=worker)

    retry(finish, math.inf, stopping.is_set)
    logger.info("ended: %s", runs.get(run_id).state, extra={"run": run_id})


def _wait(run_id: str, child: subprocess.Popen[bytes], stopping: process.Flag, settings: JobSettings) -> None:
    """Until the child has ended. Asked to stop it gets time to see the flag, then SIGTERM, then SIGKILL."""
    asked: float | None = None
    terminated = False
    while child.poll() is None:
        time.sleep(POLL_SECONDS)
        if asked is None and (stopping.is_set() or _asked_to_stop(run_id)):
            asked = time.monotonic()
        if asked is None:
            continue
        waited = time.monotonic() - asked
        if not terminated and (stopping.is_set() or waited >= FLAG_SECONDS):
            child.terminate()
            terminated = True
        if waited >= FLAG_SECONDS + settings.grace_seconds:
            process.kill_group(child.pid)
            child.wait()


def _asked_to_stop(run_id: str) -> bool:
    try:
        return lifecycle.asked_to_stop(run_id)
    except (SQLAlchemyError, StudioError) as error:  # a busy disk must not end the watch
        logger.warning("cannot ask the database: %s", error)
        return False
