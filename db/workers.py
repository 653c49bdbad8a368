"""Workers and apps that said lately that they are there, and the data folder that they share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db import clock
from db.owner import Owner
from db.schema import FactRow, WorkerRow
from db.store import reading, writing

Role = Literal["worker", "app"]
DATA_FOLDER = "data folder"


@dataclass(frozen=True)
class Worker:
    """A worker process, or an app, and its last sign of life (UTC)."""

    process: Owner
    heartbeat: datetime
    role: Role = "worker"
    offers: dict[str, Any] = field(default_factory=dict, compare=False)
    """What it says of itself: :class:`jobs.resources.Resources`."""


def beat(process: Owner, offers: Mapping[str, Any] | None = None, role: Role = "worker") -> bool:
    """A worker or an app says that it is there, and what it offers; always ``True``."""
    with writing() as session:
        own = asdict(process) | {"heartbeat": clock.now(), "role": role, "offers": dict(offers or {})}
        session.merge(WorkerRow(**own))
    return True


def leave(process: Owner) -> None:
    """A worker that ends, or one that was found dead; a later process with its number stays."""
    with writing() as session:
        session.execute(delete(WorkerRow).filter_by(**asdict(process)))


def known(session: Session | None = None, role: Role | None = "worker") -> list[Worker]:
    """Those that have not left, oldest first; whether they still live is in :mod:`jobs.workers`.

    Args:
        session: where else is being read already.
        role: ``None``: apps, too.
    """
    query = select(WorkerRow).order_by(WorkerRow.started, WorkerRow.host, WorkerRow.pid)
    if role is not None:
        query = query.where(WorkerRow.role == role)
    with nullcontext(session) if session else reading() as found:
        return [_worker(row) for row in found.scalars(query)]


def _worker(row: WorkerRow) -> Worker:
    return Worker(Owner(row.pid, row.started, row.host, row.boot), row.heartbeat, cast(Role, row.role), row.offers)


def data_folder(token: str) -> str:
    """The token of the data folder to which the database belongs: of the one that was told first, ``token`` maybe."""
    with writing() as session:
        known = session.get(FactRow, DATA_FOLDER)
        if known is None:
            known = FactRow(name=DATA_FOLDER, value=token)
            session.add(known)
        return known.value
