"""Tables of the studio's database. Changes here need a migration in ``db/migrations/versions``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, MetaData, UniqueConstraint, false
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(TypeDecorator[datetime]):
    """Times with a zone; SQLite forgets the zone, so it is stored as UTC and put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("times in the database carry a time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class ReadableJSON(TypeDecorator[Any]):
    """JSON that was perhaps damaged where it lies: what is none reads as ``None``."""

    impl = JSON
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        read = super().result_processor(dialect, coltype)

        def tolerant(value: Any) -> Any:
            try:
                return read(value) if read else value
            except ValueError:
                return None

        return tolerant


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UTCDateTime, dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012


class RunRow(Base):
    """One run: what was asked, who works on it, how far it is, how it ended."""

    __tablename__ = "runs"
    __table_args__ = (Index(None, "state", "queued_at"), Index(None, "created_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str]
    origin: Mapped[str]
    parent_id: Mapped[str | None]
    preset: Mapped[str | None]
    config: Mapped[dict[str, Any]]
    seed: Mapped[int]
    tags: Mapped[list[str]]
    note: Mapped[str]

    created_at: Mapped[datetime]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    stage: Mapped[str | None]
    step: Mapped[int]
    total: Mapped[int]
    stage_eta_seconds: Mapped[float | None]
    eta_seconds: Mapped[float | None]

    host: Mapped[str | None]
    boot: Mapped[str | None]
    worker_pid: Mapped[int | None]
    worker_started: Mapped[float | None]
    pid: Mapped[int | None]
    pid_started: Mapped[float | None]
    heartbeat: Mapped[datetime | None]
    rss_mb: Mapped[float | None]
    peak_rss_mb: Mapped[float | None]

    error: Mapped[str | None]
    remedy: Mapped[str | None]


class StageRow(Base):
    """A stage that a run has begun."""

    __tablename__ = "stages"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    state: Mapped[str]
    seconds: Mapped[float]
    step: Mapped[int]
    total: Mapped[int]
    unit: Mapped[str]
    sources: Mapped[dict[str, Any] | None]
    """Runs whose results were taken over, by what of the stage they are of; "" for the whole."""
    saved: Mapped[float] = mapped_column(default=0.0, server_default="0")
    """Seconds that these took where they were made."""


class CurveRow(Base):
    """A named series of a run's stage; its points are apart so that they stay small."""

    __tablename__ = "curves"
    __table_args__ = (UniqueConstraint("run_id", "stage", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    stage: Mapped[str]
    name: Mapped[str]


class PointRow(Base):
    """A point of a curve; never changed. Ids grow, so readers ask for what came after the last one they saw."""

    __tablename__ = "points"
    __table_args__ = (UniqueConstraint("curve_id", "step"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    curve_id: Mapped[int] = mapped_column(ForeignKey("curves.id", ondelete="CASCADE"))
    step: Mapped[int]
    value: Mapped[float]


class ReportRow(Base):
    """The object of ``metrics.json`` as it was written."""

    __tablename__ = "reports"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    report: Mapped[dict[str, Any]]


class ResultRow(Base):
    """One number of the results table, taken out of the report so that runs can be compared."""

    __tablename__ = "results"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    protocol: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    kind: Mapped[str]
    value: Mapped[float | None]
    low: Mapped[float | None]
    high: Mapped[float | None]


class ExplanationRow(Base):
    """A question about a run, e.g. of kind ``recommend``, and its answer once there is one.

    The same question of the same run, told by the digest of its kind and exact request, is stored once.
    """

    __tablename__ = "explanations"
    __table_args__ = (UniqueConstraint("run_id", "kind", "digest"), Index(None, "state"))

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str]
    digest: Mapped[str]
    request: Mapped[dict[str, Any]]
    state: Mapped[str]
    answer: Mapped[dict[str, Any] | None] = mapped_column(ReadableJSON)
    partial: Mapped[dict[str, Any] | None] = mapped_column(ReadableJSON)
    error: Mapped[str | None]
    remedy: Mapped[str | None]
    attempts: Mapped[int]
    host: Mapped[str | None]
    boot: Mapped[str | None]
    pid: Mapped[int | None]
    pid_started: Mapped[float | None]
    heartbeat: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class WorkerRow(Base):
    """A worker, or an app, and its last sign of life."""

    __tablename__ = "workers"

    host: Mapped[str] = mapped_column(primary_key=True)
    boot: Mapped[str] = mapped_column(primary_key=True)
    pid: Mapped[int] = mapped_column(primary_key=True)
    started: Mapped[float]
    heartbeat: Mapped[datetime]
    role: Mapped[str]
    offers: Mapped[dict[str, Any]]


class FactRow(Base):
    """What is to be known of the studio as a whole."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class ExperimentRow(Base):
    """Many runs as one question."""

    __tablename__ = "experiments"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    question: Mapped[str]
    plan: Mapped[dict[str, Any]]
    search: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    tried: Mapped[int] = mapped_column(default=0, server_default="0")
    closed: Mapped[bool] = mapped_column(default=False, server_default=false())
    paused: Mapped[bool]
    created_at: Mapped[datetime]


class MemberRow(Base):
    """A run of an experiment; a run may be in several."""

    __tablename__ = "members"
    __table_args__ = (Index(None, "run_id"),)

    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int]
    label: Mapped[str | None]
