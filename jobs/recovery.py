"""Makes the database true again after processes were killed."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from db import lifecycle, runs
from db.runs import ACTIVE, Run
from db.store import writing
from engine.errors import StudioError
from engine.paths import home
from jobs import failures, process, queues
from jobs.settings import STALE_SECONDS

TRASH = ".trash-"


def settle() -> list[str]:
    """End runs whose processes are gone: ``interrupted``, or ``cancelled`` if that was asked for; returns their ids."""
    ended = []
    for run in runs.search(states=ACTIVE):
        if not _lost(run):
            continue
        if run.pid is not None and run.pid_started is not None and run.host == process.owner().host:
            process.kill_leftovers(run.pid, run.pid_started, run.heartbeat or run.created_at)
        with writing() as session:
            if run.cancel_requested:
                settled = lifecycle.end(run.id, "cancelled", session, seen=run.heartbeat)
            else:
                told = {"error": "its process was killed", "remedy": failures.CHECKPOINT}
                settled = lifecycle.end(run.id, "interrupted", session, seen=run.heartbeat, **told)
        if settled:
            ended.append(run.id)
    return ended


def requeue_missing() -> None:
    """Send queued runs to the queue again that are missing there, e.g. taken by a worker that died."""
    waiting = lifecycle.queue()
    if waiting:
        queue = queues.training()
        pending = queue.pending()
        for run_id in waiting:
            if run_id not in pending:
                queue.add(run_id)


def trash(run_id: str) -> Path:
    """Where a deleted run's folder goes before it vanishes."""
    folder = runs.run_folder(run_id)
    return folder.with_name(TRASH + folder.name)


def delete(run: Run) -> None:
    """See :func:`jobs.api.delete`; what a kill in between leaves is removed by :func:`sweep`."""
    gone = trash(run.id)
    with writing() as session:
        if not lifecycle.remove(run.id, session):
            raise StudioError(f"run {run.name!r} is under way", where=run.id, remedy="cancel it first")
        if run.folder.exists():
            run.folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def sweep() -> None:
    """Finish deletions that were cut short."""
    for leftover in (home() / "runs").glob(f"{TRASH}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _lost(run: Run) -> bool:
    """Whether nobody works on an active run any more.

    On this machine processes tell; elsewhere only the heartbeat does. A worker whose child is dead gets time to say
    why it died.
    """
    fresh = run.heartbeat is not None and (datetime.now(UTC) - run.heartbeat).total_seconds() < STALE_SECONDS
    if run.host != process.owner().host:
        return not fresh
    if process.alive(run.pid, run.pid_started):
        return False
    return not (fresh and process.alive(run.worker_pid, run.worker_started))
