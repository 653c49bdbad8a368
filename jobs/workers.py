"""Which workers are there: each says so every few seconds, and the processes themselves are looked at."""

from __future__ import annotations

from datetime import UTC, datetime

from db import workers
from db.lifecycle import Owner
from db.workers import Worker
from jobs import process
from jobs.settings import STALE_SECONDS


def living() -> list[Worker]:
    """Workers that can take up runs now, oldest first."""
    me = process.owner()
    return [worker for worker in workers.known() if _lives(worker, me)]


def settle() -> None:
    """Forget workers that died without a word."""
    me = process.owner()
    for worker in workers.known():
        if not _lives(worker, me):
            workers.leave(worker.process)


def _lives(worker: Worker, me: Owner) -> bool:
    """On this machine its process tells, elsewhere only its last sign of life."""
    if worker.process.host == me.host:
        return process.alive(worker.process.pid, worker.process.started)
    return (datetime.now(UTC) - worker.heartbeat).total_seconds() < STALE_SECONDS
