"""Results of finished runs: the report as written, and its numbers for tables across runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from db.schema import ReportRow, ResultRow
from db.store import reading

PROTOCOLS = ("candidates", "full", "agreement")
HEADLINE = (("candidates", "HR@1"), ("candidates", "NDCG@5"), ("full", "NDCG@10"))
"""Protocol and metric of the figures by which runs are told apart in lists."""


@dataclass(frozen=True)
class Result:
    """A number of the results table, e.g. ``HR@1`` of ``delrec`` on the ``candidates``, with its 95 % interval."""

    run_id: str
    model: str
    kind: str
    protocol: str
    metric: str
    value: float | None
    low: float | None
    high: float | None


def save(run_id: str, report: Mapping[str, Any], session: Session) -> None:
    """Store the object of ``metrics.json``; an earlier one of the same run is replaced."""
    for table in (ReportRow, ResultRow):
        session.execute(delete(table).where(table.run_id == run_id))
    session.execute(insert(ReportRow), [{"run_id": run_id, "report": dict(report)}])
    rows = [{"run_id": run_id, "position": place, **row} for place, row in enumerate(_numbers(report))]
    if rows:
        session.execute(insert(ResultRow), rows)


def report(run_id: str) -> dict[str, Any] | None:
    """The object of ``metrics.json``, or ``None`` before the run is done."""
    with reading() as session:
        row = session.get(ReportRow, run_id)
        return None if row is None else dict(row.report)


def slices(run_ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """The slices of reports by run id, without the rest of them; none for reports of earlier versions."""
    query = select(ReportRow.run_id, ReportRow.report["slices"]).where(ReportRow.run_id.in_(run_ids))
    with reading() as session:
        return {run_id: list(found or ()) for run_id, found in session.execute(query)}


def table(
    run_ids: Collection[str],
    *,
    models: Collection[str] = (),
    protocols: Collection[str] = (),
    metrics: Collection[str] = (),
) -> list[Result]:
    """Numbers of some runs in the order of their reports, narrowed where names are given."""
    columns = [
        getattr(ResultRow, field.name) for field in fields(Result)
    ]  # objects of whole rows cost five times as much
    query = select(*columns).where(ResultRow.run_id.in_(run_ids)).order_by(ResultRow.run_id, ResultRow.position)
    narrowed = ((ResultRow.model, models), (ResultRow.protocol, protocols), (ResultRow.metric, metrics))
    for column, names in narrowed:
        if names:
            query = query.where(column.in_(names))
    with reading() as session:
        return [Result(*row) for row in session.execute(query)]


def headline(run_ids: Collection[str]) -> dict[tuple[str, str, str], Result]:
    """The figures of :data:`HEADLINE` by run id, protocol and metric, of each run's last LLM row: DELRec as a rule."""
    protocols, metrics = zip(*HEADLINE, strict=True)
    rows = table(run_ids, protocols=set(protocols), metrics=set(metrics))
    chosen = [row for row in rows if row.kind == "llm" and (row.protocol, row.metric) in HEADLINE]
    return {(row.run_id, row.protocol, row.metric): row for row in chosen}


def _numbers(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for model in report.get("models", ()):
        for protocol in PROTOCOLS:
            for metric, number in (model.get(protocol) or {}).items():
                known = number if isinstance(number, Mapping) else {"value": number}
                yield {"model": model["name"], "kind": model["kind"], "protocol": protocol, "metric": metric} | {
                    key: known.get(key) for key in ("value", "low", "high")
                }
