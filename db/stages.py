"""Stages of runs, and what equal runs took before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.schema import ReportRow, RunRow, StageRow
from db.store import reading

LATEST = 100
"""Runs by which durations are judged."""


@dataclass(frozen=True)
class Stage:
    """A stage that a run has begun; ``seconds`` over all attempts, or where its result was made, see ``sources``."""

    name: str
    state: Literal["running", "done", "stopped"]
    seconds: float
    step: int
    total: int
    unit: str
    sources: dict[str, str] | None = None
    """Ids of runs whose results were taken over, by what of the stage they are of; "" for the whole."""
    saved: float = 0.0
    """Seconds that these took where they were made."""


def of(run_id: str) -> list[Stage]:
    """The stages begun so far, in order."""
    with reading() as session:
        rows = session.scalars(select(StageRow).where(StageRow.run_id == run_id).order_by(StageRow.position))
        return [Stage(**{field.name: getattr(row, field.name) for field in fields(Stage)}) for row in rows]


def total_seconds(run_ids: Collection[str]) -> dict[str, float]:
    """Seconds of all stages together, by run id; runs that have begun none are left out."""
    query = select(StageRow.run_id, func.sum(StageRow.seconds).label("total")).where(StageRow.run_id.in_(run_ids))
    with reading() as session:
        return {row.run_id: row.total for row in session.execute(query.group_by(StageRow.run_id))}


def through(run_ids: Collection[str], name: str) -> set[str]:
    """Ids of the runs that have that stage behind them, whatever has become of them since."""
    query = select(StageRow.run_id).where(StageRow.run_id.in_(run_ids), StageRow.name == name, StageRow.state == "done")
    with reading() as session:
        return set(session.scalars(query))


@dataclass(frozen=True)
class Sharing:
    """What runs took over from others instead of making it."""

    begun: int
    """Stages of all runs."""
    taken: int
    """Those of them that are other runs' as a whole."""
    seconds: float
    """What these and the parts took where they were made."""
    parts: int
    """Rows of results, and other parts of stages, that are other runs'."""


def sharing(run_ids: Collection[str]) -> Sharing:
    """How much of these runs is other runs'."""
    query = select(StageRow.saved, StageRow.sources).where(StageRow.run_id.in_(run_ids))
    with reading() as session:
        rows = [(row.saved, row.sources or {}) for row in session.execute(query)]
    parts = [part for _, sources in rows for part in sources]
    return Sharing(len(rows), parts.count(""), sum(saved for saved, _ in rows), len(parts) - parts.count(""))


def save(run_id: str, changed: Iterable[Stage], session: Session) -> None:
    """Write stages as they stand; new ones come after those begun before."""
    known = {row.name: row for row in session.scalars(select(StageRow).where(StageRow.run_id == run_id))}
    for stage in changed:
        row = known.get(stage.name)
        if row is None:
            row = known[stage.name] = StageRow(run_id=run_id, position=len(known))
            session.add(row)
        for field in fields(Stage):
            setattr(row, field.name, getattr(stage, field.name))


@dataclass(frozen=True)
class Done:
    """What a finished run was made with and took."""

    name: str
    config: dict[str, Any]
    seconds: dict[str, float]
    """Seconds of each stage; those are left out that took other runs' results and tell of no speed."""
    peak_rss_mb: float | None
    test_users: int | None
    """How many the data set had, tested or not; None where its results do not say so."""


def done_runs(host: str) -> list[Done]:
    """The latest :data:`LATEST` runs that were done on ``host``, newest first."""
    query = select(RunRow).where(RunRow.state == "done", RunRow.host == host)
    with reading() as session:
        rows = list(session.scalars(query.order_by(RunRow.finished_at.desc()).limit(LATEST)))
        seconds: dict[str, dict[str, float]] = {row.id: {} for row in rows}
        for stage in session.scalars(select(StageRow).where(StageRow.run_id.in_(seconds))):
            if not stage.sources:
                seconds[stage.run_id][stage.name] = stage.seconds
        available = ReportRow.report["details"]["users_available"].as_integer().label("users")
        query = select(ReportRow.run_id, available).where(ReportRow.run_id.in_(seconds))
        users: dict[str, int | None] = {row.run_id: row.users for row in session.execute(query)}
        return [Done(row.name, row.config, seconds[row.id], row.peak_rss_mb, users.get(row.id)) for row in rows]


def measured(config: Mapping[str, Any], host: str) -> dict[str, float]:
    """Seconds of each stage in the latest run on ``host`` that was done with the same settings but for the seed."""
    settings = {**config, "seed": 0}
    return next((run.seconds for run in done_runs(host) if {**run.config, "seed": 0} == settings), {})
