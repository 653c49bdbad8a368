"""Makes the database true again after processes were killed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from db import lifecycle, runs
from db.runs import ACTIVE, Run
from db.store import writing
from engine.errors import StudioError
from engine.paths import home
from jobs import failures, heartbeat, process, queues

TRASH = ".trash-"


def settle() -> list[str]:
    """End runs whose processes are gone (:func:`db.lifecycle.stop`); returns their ids.

    Takes some seconds where it only looks so, because signs of life stayed away: they may come yet.
    """
    active = [(run, _state(run)) for run in runs.search(states=ACTIVE)]
    if any(state == "silent" for _, state in active):
        heartbeat.confirm()
    return [run.id for run, state in active if state != "living" and _end(run)]


def _state(run: Run) -> Literal["living", "silent", "dead"]:
    """Whether anybody works on an active run. On this machine processes tell, elsewhere only signs of life.

    A worker whose child is dead gets time to say why it died.
    """
    if process.here(run.host, run.boot):
        if process.alive(run.process):
            return "living"
        if not process.alive(run.worker):
            return "dead"
    return "silent" if heartbeat.silent(run.heartbeat) else "living"


def _end(run: Run) -> bool:
    """End a run that seems dead; ``False`` if it has given a sign of life since, or has ended itself."""
    if run.pid is not None and process.here(run.host, run.boot):
        process.kill_leftovers(run.pid, run.id)
    return lifecycle.stop(run.id, error="its process was killed", remedy=failures.CHECKPOINT, seen=run.heartbeat)


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
