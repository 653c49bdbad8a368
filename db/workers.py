"""Workers that said lately that they are there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select

from db.lifecycle import Owner
from db.schema import WorkerRow
from db.store import reading, writing


@dataclass(frozen=True)
class Worker:
    """A worker process and its last sign of life (UTC)."""

    process: Owner
    heartbeat: datetime


def beat(process: Owner) -> None:
    """A worker says that it is there."""
    with writing() as session:
        row = WorkerRow(host=process.host, pid=process.pid, started=process.started, heartbeat=datetime.now(UTC))
        session.merge(row)


def leave(process: Owner) -> None:
    """A worker that ends, or one that was found dead; a later process with its number stays."""
    mine = (WorkerRow.host == process.host, WorkerRow.pid == process.pid, WorkerRow.started == process.started)
    with writing() as session:
        session.execute(delete(WorkerRow).where(*mine))


def known() -> list[Worker]:
    """Workers that have not left, oldest first; whether they still live is in :mod:`jobs.workers`."""
    with reading() as session:
        rows = session.scalars(select(WorkerRow).order_by(WorkerRow.started, WorkerRow.host, WorkerRow.pid))
        return [Worker(Owner(row.pid, row.started, row.host), row.heartbeat) for row in rows]
