"""Which workers are there: each says so every few seconds, and the processes themselves are looked at."""

from __future__ import annotations

from db import workers
from db.workers import Worker
from jobs import heartbeat, process


def living() -> list[Worker]:
    """Workers that can take up runs now, oldest first."""
    return [worker for worker in workers.known() if lives(worker)]


def settle() -> None:
    """Forget workers that died without a word."""
    for worker in workers.known(role=None):
        if not lives(worker):
            workers.leave(worker.process)


def lives(worker: Worker) -> bool:
    """On this machine its process tells, elsewhere only its last sign of life."""
    if process.here(worker.process.host, worker.process.boot):
        return process.alive(worker.process)
    return not heartbeat.silent(worker.heartbeat)
