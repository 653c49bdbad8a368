"""All that the database knows of a run, as one object that can travel to another database."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, FiniteFloat, NonNegativeInt
from sqlalchemy.orm import Session

from db import explanations, metrics, naming, results, stages
from db.naming import LONGEST_NAME
from db.runs import Run
from db.schema import RunRow
from db.stages import Stage
from engine.config_base import FrozenModel

Ended = Literal["done", "failed", "cancelled", "interrupted", "validated", "pruned"]


class FromRow(FrozenModel):
    model_config = ConfigDict(from_attributes=True)


class RunRecord(FromRow):
    """A run that has ended; what only concerns this machine (processes, memory now) stays behind."""

    id: str
    name: str
    state: Ended
    preset: str | None
    config: dict[str, Any]
    tags: list[str]
    note: str
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    stage: str | None
    step: NonNegativeInt
    total: NonNegativeInt
    peak_rss_mb: FiniteFloat | None
    error: str | None
    remedy: str | None


class StageRecord(FromRow):
    """A stage that the run has begun."""

    name: str
    state: Literal["done", "stopped"]
    seconds: FiniteFloat = Field(ge=0)
    step: NonNegativeInt
    total: NonNegativeInt
    unit: str
    sources: dict[str, str] | None = None
    saved: FiniteFloat = Field(default=0.0, ge=0)


class ExplanationRecord(FromRow):
    """A question with its answer."""

    kind: str
    request: dict[str, Any]
    answer: dict[str, Any]
    created_at: AwareDatetime


class ExportedRun(FromRow):
    """A run with all that hangs on it."""

    run: RunRecord
    stages: list[StageRecord]
    points: list[tuple[str, str, NonNegativeInt, FiniteFloat]]
    """Stage, name, step and value of the curves' points, in the order in which they came."""
    report: dict[str, Any] | None
    """The object of ``metrics.json``; only of a run that is done."""
    explanations: list[ExplanationRecord]


def read(run: Run) -> ExportedRun:
    """The record of a run that has ended."""
    asked = (entry for entry in explanations.of(run.id) if entry.state == "done")
    return ExportedRun(
        run=RunRecord.model_validate(run),
        stages=[StageRecord.model_validate(stage) for stage in stages.of(run.id)],
        points=[(point.stage, point.name, point.step, point.value) for point in metrics.since(run.id)],
        report=results.report(run.id),
        explanations=[ExplanationRecord.model_validate(entry) for entry in asked],
    )


def insert(record: ExportedRun, run_id: str, name: str, session: Session) -> None:
    """Write a record as the imported run ``run_id`` called ``name``, within the caller's transaction.

    Its times stay, its place in the list is that of its creation, no machine is noted for it.

    Raises:
        KeyError, TypeError, AttributeError: the report has not the shape of ``metrics.json``.
    """
    values = record.run.model_dump(exclude={"id", "name"})
    row = RunRow(id=run_id, name=name, origin="import", seed=int(record.run.config["seed"]))
    for column, value in values.items():
        setattr(row, column, value)
    row.queued_at = record.run.created_at
    session.add(row)
    session.flush()
    stages.save(run_id, (Stage(**stage.model_dump()) for stage in record.stages), session)
    metrics.append(run_id, record.points, session)
    if record.report is not None:
        results.save(run_id, record.report, session)
    for entry in record.explanations:
        explanations.append(run_id, entry.kind, entry.request, entry.answer, entry.created_at, session)


def unused_name(name: str, session: Session) -> str:
    """``name``, or with a number behind it if it is taken."""
    if not naming.taken(session, name):
        return name
    return naming.free_name(session, name[: LONGEST_NAME - len("-9999")])
