"""Workers that said lately that they are there."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db import clock
from db.owner import Owner
from db.schema import WorkerRow
from db.store import reading, writing


@dataclass(frozen=True)
class Worker:
    """A worker process and its last sign of life (UTC)."""

    process: Owner
    heartbeat: datetime


def beat(process: Owner) -> bool:
    """A worker says that it is there; always ``True``."""
    with writing() as session:
        session.merge(WorkerRow(**asdict(process), heartbeat=clock.now()))
    return True


def leave(process: Owner) -> None:
    """A worker that ends, or one that was found dead; a later process with its number stays."""
    with writing() as session:
        session.execute(delete(WorkerRow).filter_by(**asdict(process)))


def known(session: Session | None = None) -> list[Worker]:
    """Workers that have not left, oldest first; whether they still live is in :mod:`jobs.workers`.

    Args:
        session: where else is being read already.
    """
    query = select(WorkerRow).order_by(WorkerRow.started, WorkerRow.host, WorkerRow.pid)
    with nullcontext(session) if session else reading() as found:
        return [Worker(Owner(row.pid, row.started, row.host, row.boot), row.heartbeat) for row in found.scalars(query)]
