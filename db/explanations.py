"""Explanations: questions about a run, asked once, and their answers.

::

    queued ──claim──▶ running ──finish──▶ done | failed
       ▲  └── stop ──────┼──────── stop ─────────▶ failed
       ▲                 └── release (its process died) ──▶ queued
       └────────────── ask again ─────────────────────── failed
"""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from db import clock
from db.owner import Owner
from db.schema import ExplanationRow
from db.store import reading, writing
from engine.errors import StudioError

ExplanationState = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True)
class Explanation:
    """A question and, where ``state`` is ``done``, its answer; times are UTC."""

    id: int
    run_id: str
    kind: str
    """What is asked, e.g. ``recommend``."""
    digest: str
    """SHA-256 of kind and request, see :func:`digest`."""
    request: dict[str, Any]
    state: ExplanationState
    answer: dict[str, Any] | None
    partial: dict[str, Any] | None
    """What is known so far, while ``state`` is ``running``."""
    error: str | None
    remedy: str | None
    attempts: int
    """How many processes have begun to answer."""
    host: str | None
    boot: str | None
    pid: int | None
    pid_started: float | None
    heartbeat: datetime | None
    """Last sign of life of the process that answers it."""
    created_at: datetime
    finished_at: datetime | None

    @property
    def process(self) -> Owner | None:
        """The process that answers it, or did last."""
        if self.pid is None or self.pid_started is None:
            return None
        return Owner(self.pid, self.pid_started, self.host or "", self.boot or "")

    @property
    def settled(self) -> bool:
        """Whether it is answered or has failed."""
        return self.state in ("done", "failed")


def digest(kind: str, request: Mapping[str, Any]) -> str:
    """The same for equal questions, whatever the order of their keys.

    Raises:
        StudioError: the request cannot be written as JSON.
    """
    try:
        text = json.dumps([kind, request], sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StudioError(f"the question is not JSON: {error}", where=kind, remedy="use texts and numbers") from None
    return hashlib.sha256(text.encode()).hexdigest()


def ask(run_id: str, kind: str, request: Mapping[str, Any], *, again: bool = False) -> Explanation:
    """The stored question, new or asked before; one that failed is queued again, or ``again`` one that was answered."""
    key = digest(kind, request)
    with writing() as session:
        row = _row(session, run_id, kind, key)
        if row is None:
            row = ExplanationRow(run_id=run_id, kind=kind, digest=key, request=dict(request), state="queued")
            row.attempts, row.created_at = 0, clock.now()
            session.add(row)
        elif row.state == "failed" or (again and row.state == "done"):
            row.state, row.error, row.remedy, row.attempts, row.finished_at = "queued", None, None, 0, None
            row.answer = None
        session.flush()
        return _record(row)


def append(
    run_id: str, kind: str, request: Mapping[str, Any], answer: Mapping[str, Any], found: datetime, session: Session
) -> None:
    """Store a question with the answer that was found elsewhere; if it was asked here before, that stays."""
    key = digest(kind, request)
    if _row(session, run_id, kind, key) is None:
        row = ExplanationRow(run_id=run_id, kind=kind, digest=key, request=dict(request), answer=dict(answer))
        row.state, row.attempts, row.created_at, row.finished_at = "done", 0, found, found
        session.add(row)


def get(explanation_id: int) -> Explanation:
    """One by id.

    Raises:
        StudioError: there is none.
    """
    with reading() as session:
        row = session.get(ExplanationRow, explanation_id)
        if row is None:
            raise StudioError(f"no explanation {explanation_id}", remedy="ask the question again")
        return _record(row)


def of(run_id: str, kind: str | None = None) -> list[Explanation]:
    """Those of a run, oldest first."""
    query = select(ExplanationRow).where(ExplanationRow.run_id == run_id).order_by(ExplanationRow.id)
    if kind is not None:
        query = query.where(ExplanationRow.kind == kind)
    with reading() as session:
        return [_record(row) for row in session.scalars(query)]


def unsettled() -> list[Explanation]:
    """Those that wait or are worked on, oldest first."""
    query = select(ExplanationRow).where(ExplanationRow.state.in_(("queued", "running"))).order_by(ExplanationRow.id)
    with reading() as session:
        return [_record(row) for row in session.scalars(query)]


def claim(explanation_id: int, process: Owner) -> bool:
    """Take a queued question; of several processes exactly one gets ``True``."""
    values: dict[str, Any] = {"host": process.host, "boot": process.boot, "pid": process.pid}
    values |= {"pid_started": process.started, "heartbeat": clock.now()}
    return _move(explanation_id, "queued", state="running", attempts=ExplanationRow.attempts + 1, **values)


def beat(explanation_id: int, process: Owner) -> bool:
    """Sign of life of the process that answers; ``False``: it does not any more."""
    mine = {"host": process.host, "pid": process.pid, "pid_started": process.started}
    return _move(explanation_id, "running", mine, heartbeat=clock.now())


def release(explanation_id: int, seen: datetime | None) -> bool:
    """Queue a question again whose process died, unless it gave a sign of life since the one that was ``seen``."""
    return _move(explanation_id, "running", {"heartbeat": seen}, state="queued", partial=None)


def save_partial(explanation_id: int, partial: Mapping[str, Any]) -> bool:
    """Store what is known of the answer so far, in the place of what was told before; ``False``: it was stopped."""
    return _move(explanation_id, "running", partial=dict(partial))


def finish(explanation_id: int, answer: Mapping[str, Any]) -> bool:
    """Store the answer."""
    now = clock.now()
    return _move(explanation_id, "running", state="done", answer=dict(answer), partial=None, finished_at=now)


def fail(explanation_id: int, error: str, remedy: str) -> bool:
    """Store why there is no answer."""
    ended = {"partial": None, "finished_at": clock.now()}
    return _move(explanation_id, "running", state="failed", error=error, remedy=remedy, **ended)


def stop(explanation_id: int, error: str, remedy: str) -> bool:
    """Fail a question that waits or is worked on: nobody wants its answer any more."""
    ended = {"partial": None, "finished_at": clock.now()}
    states: tuple[ExplanationState, ...] = ("queued", "running")
    return any(_move(explanation_id, at, state="failed", error=error, remedy=remedy, **ended) for at in states)


def _move(
    explanation_id: int,
    before: ExplanationState,
    only_if: Mapping[str, Any] = types.MappingProxyType({}),
    /,
    **values: Any,
) -> bool:
    mine = {"id": explanation_id, "state": before, **only_if}
    with writing() as session:
        result = session.execute(update(ExplanationRow).filter_by(**mine).values(**values))
        return cast(CursorResult[Any], result).rowcount == 1


def _row(session: Session, run_id: str, kind: str, key: str) -> ExplanationRow | None:
    mine = (ExplanationRow.run_id == run_id, ExplanationRow.kind == kind, ExplanationRow.digest == key)
    return session.scalar(select(ExplanationRow).where(*mine))


def _record(row: ExplanationRow) -> Explanation:
    return Explanation(**{field.name: getattr(row, field.name) for field in fields(Explanation)})
