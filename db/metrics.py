"""Curves: append-only points, read in increments or down-sampled."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Insert, Integer, Select, and_, func, literal_column, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.schema import Base, CurveRow, PointRow
from db.store import reading
from engine.curves import CurveName


@dataclass(frozen=True)
class Point:
    """A value of a curve at a step. ``id`` grows; pass the largest one seen as ``after`` to get what is new."""

    id: int
    stage: str
    name: str
    step: int
    value: float


@dataclass(frozen=True)
class Curve:
    """A series for a chart: equally long ``steps`` and ``values``, oldest first."""

    run_id: str
    name: CurveName
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Best:
    """Where a curve was highest, first if it was so several times, and its latest step."""

    step: int
    value: float
    last: int


def append(run_id: str, points: Iterable[tuple[str, str, int, float]], session: Session) -> None:
    """Add ``(stage, name, step, value)`` points, values finite; a step that a resumed run repeats is ignored.

    Curves and points keep the order in which they came first.
    """
    points = list(points)
    if not points:
        return
    pairs = dict.fromkeys((stage, name) for stage, name, _, _ in points)
    known = _curve_ids(run_id, session)
    rows = [{"run_id": run_id, "stage": stage, "name": name} for stage, name in pairs if (stage, name) not in known]
    if rows:
        session.execute(_insert_new(session, CurveRow), rows)
        known = _curve_ids(run_id, session)
    values = [{"curve_id": known[stage, name], "step": step, "value": value} for stage, name, step, value in points]
    session.execute(_insert_new(session, PointRow), values)


def since(run_id: str, after: int = 0, limit: int | None = None) -> list[Point]:
    """Points of a run in the order in which they came, without those up to id ``after``."""
    query = (
        select(PointRow.id, CurveRow.stage, CurveRow.name, PointRow.step, PointRow.value)
        .join(CurveRow, PointRow.curve_id == CurveRow.id)
        .where(CurveRow.run_id == run_id, PointRow.id > after)
        .order_by(PointRow.id)
        .limit(limit)
    )
    with reading() as session:
        return [Point(*row) for row in session.execute(query)]


def names(run_ids: Collection[str]) -> list[CurveName]:
    """The curves that any of these runs has, in the order in which they came."""
    query = select(CurveRow.stage, CurveRow.name).where(CurveRow.run_id.in_(run_ids))
    with reading() as session:
        found = session.execute(query.group_by(CurveRow.stage, CurveRow.name).order_by(func.min(CurveRow.id)))
        return [CurveName.named(stage, name) for stage, name in found]


def curves(
    run_ids: Collection[str], *, names: Collection[CurveName] = (), stages: Collection[str] = (), limit: int = 500
) -> list[Curve]:
    """Curves of some runs, each with at most ``limit`` points.

    Of longer ones the lowest and the highest of every 2, 4, 8, … steps stay, so that no peak is lost, and the last
    point. Points added later change none but those of the end, until all doubles.
    """
    matching = select(CurveRow.id).where(CurveRow.run_id.in_(run_ids))
    if names:
        matching = matching.where(_is_one_of(names))
    if stages:
        matching = matching.where(CurveRow.stage.in_(stages))
    first, last = func.min(PointRow.step).label("first"), func.max(PointRow.step).label("last")
    with reading() as session:
        known = session.execute(
            select(CurveRow.id, CurveRow.run_id, CurveRow.stage, CurveRow.name, func.count().label("size"), first, last)
            .join(PointRow, PointRow.curve_id == CurveRow.id)
            .where(CurveRow.id.in_(matching))
            .group_by(CurveRow.id, CurveRow.run_id, CurveRow.stage, CurveRow.name)
            .order_by(CurveRow.id)
        ).all()
        series: dict[int, dict[int, float]] = {row.id: {} for row in known}
        widths: dict[int, list[int]] = {}
        for row in known:
            width = 1 if row.size <= limit else _width(row.first, row.last, limit)
            widths.setdefault(width, []).append(row.id)
        for width, ids in widths.items():
            for curve_id, step, value in session.execute(_extremes(width, ids)):
                series[curve_id][step] = value
        ends = [(row.id, row.last) for row in known if row.last not in series[row.id]]
        place = (PointRow.curve_id, PointRow.step)
        for curve_id, step, value in session.execute(select(*place, PointRow.value).where(tuple_(*place).in_(ends))):
            series[curve_id][step] = value
    drawn = [(row, sorted(series[row.id].items())) for row in known]
    return [
        Curve(row.run_id, CurveName.named(row.stage, row.name), *map(tuple, zip(*points, strict=True)))
        for row, points in drawn
    ]


def best(run_id: str, names: Collection[CurveName]) -> dict[str, Best]:
    """The best point of each of these curves, one of a stage, by the stage; those without points are left out.

    All points count, however few of them a chart shows.
    """
    curve, falling = PointRow.curve_id, (PointRow.value.desc(), PointRow.step)
    ranked = (
        select(
            CurveRow.stage,
            PointRow.step,
            PointRow.value,
            func.max(PointRow.step).over(partition_by=curve).label("last"),
            func.row_number().over(partition_by=curve, order_by=falling).label("place"),
        )
        .join(CurveRow, PointRow.curve_id == CurveRow.id)
        .where(CurveRow.run_id == run_id, _is_one_of(names))
        .subquery()
    )
    query = select(ranked.c.stage, ranked.c.step, ranked.c.value, ranked.c.last).where(ranked.c.place == 1)
    with reading() as session:
        return {stage: Best(*values) for stage, *values in session.execute(query)}


def _is_one_of(names: Collection[CurveName]) -> ColumnElement[bool]:
    return tuple_(CurveRow.stage, CurveRow.name).in_([(name.stage, name.name) for name in names])


def _extremes(width: int, ids: Collection[int]) -> Select[int, int, float]:
    """Curve, step and value of the lowest and the highest point of every ``width`` steps; of all where that is 1."""
    curve, step, value = PointRow.curve_id, PointRow.step, PointRow.value
    if width == 1:
        return select(curve, step, value).where(curve.in_(ids))
    bucket = step // literal_column(str(width), Integer)  # a parameter would be another one in each clause
    ends = (
        select(
            curve.label("curve"), bucket.label("bucket"), func.min(value).label("low"), func.max(value).label("high")
        )
        .where(curve.in_(ids))
        .group_by(curve, bucket)
        .subquery()
    )
    begin = ends.c.bucket * width
    return (
        select(curve, func.min(step), value)
        .select_from(ends)
        .join(PointRow, and_(curve == ends.c.curve, step >= begin, step < begin + width))
        .where(or_(value == ends.c.low, value == ends.c.high))
        .group_by(curve, ends.c.bucket, value)
    )


def _width(first: int, last: int, limit: int) -> int:
    """How many steps leave two points: the smallest power of two that keeps to the limit, the last point included."""
    width = 2
    while 2 * (last // width - first // width + 1) >= limit and width <= last:
        width *= 2
    return width


def _curve_ids(run_id: str, session: Session) -> dict[tuple[str, str], int]:
    rows = session.execute(select(CurveRow.stage, CurveRow.name, CurveRow.id).where(CurveRow.run_id == run_id))
    return {(stage, name): curve_id for stage, name, curve_id in rows}


def _insert_new(session: Session, table: type[Base]) -> Insert:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()
