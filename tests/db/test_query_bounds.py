"""What the pages ask of the database stays small: statements and rows are counted, not seconds.

``tests/benchmarks/store.py`` prints the seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event

from db import lifecycle, metrics, results, runs
from db.store import database, writing
from engine.config import RunConfig
from engine.curves import CurveName
from jobs import api

CURVES, POINTS, MODELS, LIMIT = 4, 600, 3, 50


@dataclass
class Work:
    """What a piece of code made the database do."""

    statements: int = 0
    rows: int = 0


@contextmanager
def _counted() -> Iterator[Work]:
    """Counts statements (without BEGIN and COMMIT) and the rows that come out of them."""
    work = Work()

    def fetched(cursor: Any, row: tuple[Any, ...]) -> tuple[Any, ...]:
        work.rows += 1
        return row

    def borrowed(connection: Any, *_: object) -> None:
        connection.row_factory = fetched

    def returned(connection: Any, *_: object) -> None:
        connection.row_factory = None

    def executed(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        work.statements += not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA"))

    hooks = {"checkout": borrowed, "checkin": returned, "before_cursor_execute": executed}
    for name, hook in hooks.items():
        event.listen(database(), name, hook)
    try:
        yield work
    finally:
        for name, hook in hooks.items():
            event.remove(database(), name, hook)


def _fill(count: int) -> list[str]:
    config = RunConfig().model_dump(mode="json")
    number = {"value": 0.5, "low": 0.4, "high": 0.6}
    rows = [{"name": f"model {place}", "kind": "llm", "candidates": {"HR@1": number}} for place in range(MODELS)]
    ids = []
    for _ in range(count):
        run = runs.create(None, config, state="starting")
        points = [("distil", f"curve {c}", step, float(step)) for c in range(CURVES) for step in range(POINTS)]
        with writing() as session:
            metrics.append(run.id, points, session)
            results.save(run.id, {"models": rows, "comparisons": []}, session)
            lifecycle.end(run.id, "done", session)
        ids.append(run.id)
    return ids


@pytest.fixture
def ids() -> list[str]:
    return _fill(12)


def test_the_counter_counts_what_is_fetched(ids):
    with _counted() as work:
        api.metrics(ids[0])
    assert work.rows >= CURVES * POINTS
    assert work.statements >= 1


def test_the_list_of_runs_takes_the_same_statements_for_any_number_of_runs(ids):
    counted = []
    for _ in range(2):
        with _counted() as work:
            found = api.runs(limit=500)
            results.table([run.id for run in found], metrics=["HR@1"])
        counted.append((work.statements, work.rows, len(found)))
        _fill(5)
    (few, few_rows, first), (many, many_rows, second) = counted
    assert (first, second) == (12, 17)
    assert few == many <= 3
    assert (few_rows, many_rows) == (12 * (1 + MODELS), 17 * (1 + MODELS))


def test_only_the_runs_that_are_asked_for_are_read(ids):
    for asked in ({"limit": 3}, {"ids": ids[:3]}, {"states": ["done"], "limit": 3}):
        with _counted() as work:
            assert len(runs.search(**asked)) == 3
        assert work.rows == 3


def test_curves_leave_the_database_down_sampled(ids):
    with _counted() as work:
        curves = metrics.curves(ids[:3], limit=LIMIT)
    assert len(curves) == 3 * CURVES
    assert work.rows <= 3 * CURVES * (LIMIT + 1) + 3
    assert work.statements <= 3 + 2
    with _counted() as one:
        metrics.curves(ids[:3], names=[CurveName("distil", "curve 1")], limit=LIMIT)
    assert one.rows <= 3 * (LIMIT + 1) + 3


def test_names_of_curves_come_without_points(ids):
    with _counted() as work:
        names = metrics.names(ids)
    assert names == [CurveName("distil", f"curve {place}") for place in range(CURVES)]
    assert work.rows <= CURVES + len(ids)


def test_a_poll_fetches_only_the_points_that_are_new(ids):
    last = api.metrics(ids[0])[-1].id
    with writing() as session:
        metrics.append(ids[0], [("distil", "curve 0", POINTS + step, 0.0) for step in range(3)], session)
    with _counted() as work:
        assert [point.step for point in api.metrics(ids[0], after=last)] == [POINTS, POINTS + 1, POINTS + 2]
    assert work.rows <= 3 + 1


def test_comparing_runs_takes_one_statement_for_all_their_figures(ids):
    with _counted() as work:
        rows = results.table(ids, models=["model 1"])
    assert len(rows) == len(ids)
    assert (work.statements, work.rows) == (1, len(ids))


def test_a_run_is_read_with_a_handful_of_statements_however_many_there_are(ids):
    with _counted() as work:
        api.status(ids[0])
        api.stages(ids[0])
        api.queue_position(ids[0])
        api.results(ids[0])
    assert work.statements <= 8
    assert work.rows <= 8


@pytest.mark.parametrize("size", [1, LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT, 10 * LIMIT + 7])
def test_growing_curves_keep_within_the_limit_and_change_only_their_last_bucket(size):
    run_id = runs.create(None, RunConfig().model_dump(mode="json")).id
    with writing() as session:
        metrics.append(run_id, [("distil", "loss", step, step % 7) for step in range(size)], session)
    (before,) = metrics.curves([run_id], limit=LIMIT)
    width, wider = map(_width, (size, size + 1))
    with writing() as session:
        metrics.append(run_id, [("distil", "loss", size, -1.0)], session)
    (after,) = metrics.curves([run_id], limit=LIMIT)
    assert max(len(before.steps), len(after.steps)) <= LIMIT
    if wider == width:
        stable = min(size // width * width, size - 1)  # the last point stays for being the last
        old, new = (
            [pair for pair in zip(it.steps, it.values, strict=True) if pair[0] < stable] for it in (before, after)
        )
        assert old == new
    else:
        assert size % LIMIT == 0 or wider == 2 * width


def _width(size: int) -> int:
    """Of how many steps together two points stay."""
    return 1 if size <= LIMIT else next(2**power for power in range(1, 20) if 2 * -(-size // 2**power) < LIMIT)
