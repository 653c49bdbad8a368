"""Runs: records, names, search, edits. How a run's state changes is in :mod:`db.lifecycle`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from db import clock
from db.naming import free_name, free_names, new_id, refuse_taken, run_folder, valid_name, valid_notes
from db.owner import Owner
from db.schema import RunRow
from db.store import reading, writing
from engine.errors import StudioError

RunState = Literal[
    "queued",
    "starting",
    "running",
    "cancelling",
    "pausing",
    "done",
    "failed",
    "cancelled",
    "interrupted",
    "validated",
    "pruned",
]
RunOrigin = Literal["new", "retry", "import"]

STATES: tuple[RunState, ...] = get_args(RunState)
STOPPING: tuple[RunState, ...] = ("cancelling", "pausing")
"""It was asked to stop, and its process has not ended."""
ACTIVE: tuple[RunState, ...] = ("starting", "running", *STOPPING)
"""A process works on the run."""
JUDGED: tuple[RunState, ...] = ("validated", "pruned")
"""A trial that went as far as its search needs: to the end of what is validated, or until it fell behind."""
RESUMABLE: tuple[RunState, ...] = ("failed", "cancelled", "interrupted", *JUDGED)
"""The run stopped before its end and can go on from its last checkpoint."""


@dataclass(frozen=True)
class Run:
    """A run as it stands in the database; times are UTC, memory is in MB (10^6 bytes)."""

    id: str
    name: str
    state: RunState
    origin: RunOrigin
    """new; retry or clone of ``parent_id``; import."""
    parent_id: str | None
    preset: str | None
    config: dict[str, Any]
    """Nested settings; :func:`engine.settings.stored_config` reads them."""
    seed: int
    tags: list[str]
    note: str
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    """Start of the latest attempt."""
    finished_at: datetime | None
    stage: str | None
    step: int
    """Finished units of the current stage, of ``total``."""
    total: int
    stage_eta_seconds: float | None
    """Seconds until the current stage ends, by its own speed."""
    eta_seconds: float | None
    """Seconds until the run ends; ``None`` unless an equal run has been measured here."""
    host: str | None
    boot: str | None
    worker_pid: int | None
    worker_started: float | None
    pid: int | None
    pid_started: float | None
    heartbeat: datetime | None
    rss_mb: float | None
    peak_rss_mb: float | None
    error: str | None
    remedy: str | None

    @property
    def active(self) -> bool:
        """Whether a process works on it."""
        return self.state in ACTIVE

    @property
    def worker(self) -> Owner | None:
        """The worker that watches over it; ``None`` for one that runs in the shell's own process."""
        return self._owner(self.worker_pid, self.worker_started)

    @property
    def process(self) -> Owner | None:
        """The process that works on it, or did last; ``None`` before it has begun."""
        return self._owner(self.pid, self.pid_started)

    def _owner(self, pid: int | None, started: float | None) -> Owner | None:
        if pid is None or started is None:
            return None
        return Owner(pid, started, self.host or "", self.boot or "")

    @property
    def resumable(self) -> bool:
        return self.state in RESUMABLE

    @property
    def folder(self) -> Path:
        """``<home>/runs/<id>``; it exists once the run has started."""
        return run_folder(self.id)

    @property
    def seconds(self) -> float | None:
        """Duration of the latest attempt so far, or in all; ``None`` before the start."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.finished_at or clock.now()) - self.started_at).total_seconds())

    @property
    def reason(self) -> str:
        """Why it ended, in one line with what to do; empty if all is well."""
        return " — ".join(part for part in (self.error, self.remedy) if part)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: times in ISO 8601."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def create(
    name: str | None,
    config: Mapping[str, Any],
    *,
    preset: str | None = None,
    origin: RunOrigin = "new",
    parent_id: str | None = None,
    state: RunState = "queued",
    stem: str = "run",
    owner: Owner | None = None,
) -> Run:
    """Write a new run; without a name it is called ``<stem>-<number>``.

    ``owner`` is the process that works on a run that starts at once.

    Raises:
        StudioError: the name is taken or unusable.
    """
    chosen = None if name is None else valid_name(name)
    now = clock.now()
    with writing() as session:
        values = _new(config, preset, now, queue_time(session))
        row = RunRow(id=new_id(session), name=chosen or free_name(session, stem), **values)
        row.state, row.origin, row.parent_id = state, origin, parent_id
        row.started_at = None if state == "queued" else now
        if owner is not None:
            row.host, row.boot, row.pid, row.pid_started = owner.host, owner.boot, owner.pid, owner.started
        refuse_taken(session, row.name)
        session.add(row)
        session.flush()
        return _record(row)


def create_many(configs: Sequence[Mapping[str, Any]], preset: str | None, stem: str, session: Session) -> list[str]:
    """Queue new runs in this order within the caller's transaction, called ``<stem>-<number>``; returns their ids."""
    names, now, at = free_names(session, stem, len(configs)), clock.now(), queue_time(session)
    ids: list[str] = []
    rows = []
    for place, config in enumerate(configs):
        ids.append(new_id(session))
        after = timedelta(microseconds=place)  # so that lists keep their order, too
        rows.append({"id": ids[-1], "name": names[place], **_new(config, preset, now + after, at + after)})
    session.execute(insert(RunRow), rows)
    return ids


def _new(config: Mapping[str, Any], preset: str | None, now: datetime, queued_at: datetime) -> dict[str, Any]:
    """Columns of a run that waits for a worker."""
    return {
        "state": "queued",
        "origin": "new",
        "parent_id": None,
        "preset": preset,
        "config": dict(config),
        "seed": int(config["seed"]),
        "tags": [],
        "note": "",
        "created_at": now,
        "queued_at": queued_at,
        "heartbeat": now,
        "step": 0,
        "total": 0,
    }


def queue_time(session: Session) -> datetime:
    """When a run enters the queue: after all that wait in it, also where the clock was set back meanwhile."""
    last: datetime | None = session.scalar(select(func.max(RunRow.queued_at)).where(RunRow.state == "queued"))
    now = clock.now()
    return now if last is None else max(now, last + timedelta(microseconds=1))


def get(run_id: str) -> Run:
    """One run by id.

    Raises:
        StudioError: there is none.
    """
    with reading() as session:
        row = session.get(RunRow, run_id)
        if row is None:
            raise StudioError(f"no run {run_id!r}", remedy="'delrec runs' lists the runs")
        return _record(row)


def find(reference: str) -> Run:
    """One run by id or by name.

    Raises:
        StudioError: there is none.
    """
    with reading() as session:
        row = session.scalar(select(RunRow).where(or_(RunRow.id == reference, RunRow.name == reference)))
        if row is None:
            raise StudioError(f"no run {reference!r}", remedy="'delrec runs' lists the runs")
        return _record(row)


def search(
    text: str = "", *, states: Collection[str] = (), ids: Collection[str] | None = None, limit: int | None = None
) -> list[Run]:
    """Runs, newest first; ``text`` is looked for in id, name, preset, teacher, model, tags and note."""
    needle = text.casefold().strip()
    query = select(RunRow).order_by(RunRow.created_at.desc(), RunRow.id).limit(None if needle else limit)
    if states:
        query = query.where(RunRow.state.in_(states))
    if ids is not None:
        query = query.where(RunRow.id.in_(ids))
    with reading() as session:
        records = [_record(row) for row in session.scalars(query)]
    if needle:
        records = [run for run in records if any(needle in part.casefold() for part in _searched(run))]
    return records[:limit]


def counts() -> dict[str, int]:
    """How many runs are in each state that any is in."""
    with reading() as session:
        found = session.execute(select(RunRow.state, func.count()).group_by(RunRow.state))
        return {row[0]: row[1] for row in found}


def rename(run_id: str, name: str) -> None:
    """Give a run another name.

    Raises:
        StudioError: the name is taken or unusable, or the run does not exist.
    """
    chosen = valid_name(name)
    if get(run_id).name == chosen:
        return
    with writing() as session:
        refuse_taken(session, chosen)
        session.execute(update(RunRow).where(RunRow.id == run_id).values(name=chosen))


def annotate(run_id: str, *, tags: Sequence[str] | None = None, note: str | None = None) -> None:
    """Set a run's tags (trimmed, no repeats) or its note.

    Raises:
        StudioError: the run does not exist, or the text is too long.
    """
    get(run_id)
    values: dict[str, Any] = {}
    if tags is not None:
        values["tags"] = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if note is not None:
        values["note"] = note
    valid_notes(values.get("tags", []), values.get("note", ""))
    if values:
        with writing() as session:
            session.execute(update(RunRow).where(RunRow.id == run_id).values(**values))


def _searched(run: Run) -> tuple[str, ...]:
    named = [str(run.config.get(section, {}).get("name", "")) for section in ("teacher", "llm")]
    return run.id, run.name, run.preset or "", run.note, run.state, *run.tags, *named


def _record(row: RunRow) -> Run:
    return Run(**{field.name: getattr(row, field.name) for field in fields(Run)})
