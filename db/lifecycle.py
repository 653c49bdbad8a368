"""How a run's state changes. Every change is one conditional UPDATE, so of two processes only one succeeds.

::

    queued ──claim──▶ starting ──begin──▶ running ──finish──▶ done | failed, ──stop──▶ interrupted
      │                  │                   └─────finish──▶ validated | pruned (trials of a search)
      │                  ├────── request_cancel ──▶ cancelling ──stop──▶ cancelled (done, if it was faster)
      │                  └─ request_pause_of ─────▶ pausing ─────stop──▶ queued (done, if it was faster)
      └─ request_cancel ──▶ cancelled
    failed | cancelled | interrupted | validated | pruned ──requeue──▶ queued
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select, tuple_, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from db import clock
from db.owner import Owner
from db.runs import ACTIVE, RESUMABLE, STOPPING, RunState, queue_time
from db.schema import ExperimentRow, MemberRow, RunRow, StageRow
from db.store import reading, writing


def claim(run_id: str, worker: Owner) -> bool:
    """Take a queued run; of several workers exactly one gets ``True``. None gets it while its experiment is paused."""
    now = clock.now()
    with writing() as session:
        return _update(
            session,
            RunRow.id == run_id,
            *_waits_its_turn(),
            state="starting",
            host=worker.host,
            boot=worker.boot,
            worker_pid=worker.pid,
            worker_started=worker.started,
            pid=None,
            pid_started=None,
            started_at=now,
            finished_at=None,
            heartbeat=now,
        )


def await_start(run_id: str, worker: Owner) -> bool:
    """Sign of life of a run that is starting, by its worker; ``False`` once the process that works on it has begun."""
    mine = _watched_by(worker)
    with writing() as session:
        return _update(session, RunRow.id == run_id, RunRow.state == "starting", *mine, heartbeat=clock.now())


def begin(run_id: str, worker: Owner) -> bool:
    """The process that does the work starts it; ``False`` if it must not (cancelled meanwhile)."""
    values: dict[str, Any] = {"state": "running", "pid": worker.pid, "pid_started": worker.started}
    with writing() as session:
        return _update(session, RunRow.id == run_id, RunRow.state == "starting", **values)


def request_cancel(run_id: str) -> RunState | None:
    """Ask for the end of a run: at once if queued, else ``cancelling``; ``None`` if it had ended before."""
    now = clock.now()
    with writing() as session:
        mine = RunRow.id == run_id
        if _update(session, mine, RunRow.state == "queued", state="cancelled", finished_at=now):
            return "cancelled"
        if _update(session, mine, _is(ACTIVE), state="cancelling"):
            return "cancelling"
        return None


def request_cancel_of(run_ids: Collection[str]) -> int:
    """:func:`request_cancel` of several at once; returns how many had not ended before."""
    mine, ended = RunRow.id.in_(run_ids), {"state": "cancelled", "finished_at": clock.now()}
    with writing() as session:
        waited = session.execute(update(RunRow).where(mine, RunRow.state == "queued").values(**ended))
        stopped = session.execute(update(RunRow).where(mine, _is(ACTIVE)).values(state="cancelling"))
        return sum(cast(CursorResult[Any], result).rowcount for result in (waited, stopped))


def request_pause_of(run_ids: Collection[str]) -> int:
    """Ask those of some runs that are under way to go back into the queue, other than those that are being cancelled;
    returns how many."""
    going_on = (_is(ACTIVE), RunRow.state != "cancelling")
    with writing() as session:
        asked = update(RunRow).where(RunRow.id.in_(run_ids), *going_on).values(state="pausing")
        return cast(CursorResult[Any], session.execute(asked)).rowcount


def finish(
    run_id: str, state: RunState, *, error: str | None = None, remedy: str | None = None, worker: Owner | None = None
) -> bool:
    """End an active run; ``False`` if it has ended already, or is no longer watched over by ``worker``."""
    mine = () if worker is None else _watched_by(worker)
    with writing() as session:
        return _end(session, run_id, *mine, state=state, error=error, remedy=remedy)


def end(run_id: str, state: RunState, session: Session, *, error: str | None = None, remedy: str | None = None) -> bool:
    """:func:`finish` within the caller's transaction."""
    return _end(session, run_id, state=state, error=error, remedy=remedy)


def stop(run_id: str, *, error: str, remedy: str, seen: datetime | None = None) -> bool:
    """End an active run before its end: ``cancelled`` or queued again if it was asked to be, else ``interrupted`` by
    ``error``; ``False`` if it has ended already.

    With ``seen``, only if that is still the last sign of life: whoever believes a run dead must not end its next
    attempt.
    """
    same = [] if seen is None else [RunRow.heartbeat == seen]
    with writing() as session:
        return (
            _end(session, run_id, *same, RunRow.state == "cancelling", state="cancelled")
            or _end(session, run_id, *same, RunRow.state == "pausing", state="queued", finished_at=None)
            or _end(session, run_id, *same, state="interrupted", error=error, remedy=remedy)
        )


def _end(session: Session, run_id: str, *conditions: ColumnElement[bool], **values: Any) -> bool:
    values = {"error": None, "remedy": None, "finished_at": clock.now(), **values}
    values |= {"eta_seconds": None, "stage_eta_seconds": None, "rss_mb": None}
    ended = _update(session, RunRow.id == run_id, _is(ACTIVE), *conditions, **values)
    if ended:
        session.execute(
            update(StageRow).where(StageRow.run_id == run_id, StageRow.state == "running").values(state="stopped")
        )
    return ended


def requeue(run_id: str) -> bool:
    """Put a run that stopped early back at the end of the queue; ``False`` if it is in another state."""
    return bool(requeue_all([run_id]))


def requeue_all(run_ids: Sequence[str]) -> int:
    """:func:`requeue` of several at once, in this order; returns how many could be."""
    values: dict[str, Any] = {"state": "queued", "error": None, "remedy": None, "finished_at": None}
    with writing() as session:
        at = queue_time(session)
        moments = (at + timedelta(microseconds=place) for place in range(len(run_ids)))
        return sum(
            _update(session, RunRow.id == run_id, _is(RESUMABLE), queued_at=moment, **values)
            for run_id, moment in zip(run_ids, moments, strict=True)
        )


def take_over(run_id: str, owner: Owner) -> bool:
    """Like :func:`requeue` and :func:`claim` in one, for a process that resumes a run itself."""
    now = clock.now()
    values: dict[str, Any] = {"state": "starting", "error": None, "remedy": None}
    values |= {"started_at": now, "finished_at": None, "heartbeat": now, "host": owner.host, "boot": owner.boot}
    values |= {"worker_pid": None, "worker_started": None, "pid": owner.pid, "pid_started": owner.started}
    with writing() as session:
        return _update(session, RunRow.id == run_id, _is(RESUMABLE), **values)


def beat(run_id: str, owner: Owner, values: Mapping[str, Any], session: Session) -> bool:
    """Sign of life of the process that works on the run, with progress columns; returns whether it should go on.

    It should not if it was asked to stop, or if the run was taken from it: believed dead, resumed elsewhere.
    """
    mine = (RunRow.pid == owner.pid, RunRow.pid_started == owner.started, RunRow.host == owner.host)
    held = _update(session, RunRow.id == run_id, _is(ACTIVE), *mine, heartbeat=clock.now(), **values)
    return held and session.scalar(select(RunRow.state).where(RunRow.id == run_id)) not in STOPPING


def asked_to_stop(run_id: str) -> bool:
    """Whether somebody has cancelled or paused a run on which a process works."""
    with reading() as session:
        return session.scalar(select(RunRow.state).where(RunRow.id == run_id)) in STOPPING


def queue() -> list[str]:
    """Ids of the queued runs, next first; those of paused experiments are left out."""
    with reading() as session:
        query = select(RunRow.id).where(*_waits_its_turn()).order_by(RunRow.queued_at, RunRow.id)
        return list(session.scalars(query))


def queue_position(run_id: str) -> int | None:
    """1 for the run that starts next; ``None`` if the run is not queued, or its experiment is paused."""
    with reading() as session:
        row = session.scalar(select(RunRow).where(RunRow.id == run_id, *_waits_its_turn()))
        if row is None:
            return None
        ahead = tuple_(RunRow.queued_at, RunRow.id) < tuple_(row.queued_at, row.id)
        return 1 + (session.scalar(select(func.count()).where(*_waits_its_turn(), ahead)) or 0)


def remove(run_id: str, session: Session) -> bool:
    """Delete a run with all its records unless a process works on it; ``False`` if one does."""
    result = session.execute(delete(RunRow).where(RunRow.id == run_id, RunRow.state.not_in(ACTIVE)))
    return cast(CursorResult[Any], result).rowcount == 1


def _watched_by(worker: Owner) -> tuple[ColumnElement[bool], ...]:
    return RunRow.worker_pid == worker.pid, RunRow.worker_started == worker.started, RunRow.host == worker.host


def _waits_its_turn() -> tuple[ColumnElement[bool], ...]:
    """Queued, and in no experiment that is paused."""
    paused = select(MemberRow.run_id).join(ExperimentRow).where(ExperimentRow.paused)
    return RunRow.state == "queued", RunRow.id.not_in(paused)


def _is(states: tuple[RunState, ...]) -> ColumnElement[bool]:
    return RunRow.state.in_(states)


def _update(session: Session, *conditions: ColumnElement[bool], **values: Any) -> bool:
    result = session.execute(update(RunRow).where(*conditions).values(**values))
    return cast(CursorResult[Any], result).rowcount == 1
