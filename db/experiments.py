"""Experiments: many runs as one question. The runs are runs like all others and stay when an experiment goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from db import clock
from db.naming import drawn_id, valid_name
from db.runs import RunState, create_many
from db.schema import ExperimentRow, MemberRow, RunRow
from db.store import reading, writing
from engine.errors import StudioError

LONGEST_NAME = 70
"""Runs get numbers behind it."""
LONGEST_QUESTION = 2000
STEM = "experiment"


@dataclass(frozen=True)
class Experiment:
    """What is asked; ``plan`` is an :class:`engine.experiment.plan.Plan`, empty where runs were only put together."""

    id: str
    name: str
    question: str
    plan: dict[str, Any]
    search: dict[str, Any] | None
    """An :class:`engine.experiment.search.Search`, whose runs are its trials; ``None`` of other experiments."""
    tried: int
    """Trials that were begun, those that are deleted by now too."""
    closed: bool
    """A search has ended for good, so test users may be asked."""
    paused: bool
    """Its queued runs wait until it goes on."""
    created_at: datetime


@dataclass(frozen=True)
class ExperimentRun:
    """A run of an experiment; ``label``: its variant's, ``None`` of those that were put into it afterwards."""

    run_id: str
    label: str | None


def create(
    name: str | None,
    question: str,
    plan: Mapping[str, Any],
    configs: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    preset: str | None,
    search: Mapping[str, Any] | None = None,
) -> tuple[Experiment, list[str]]:
    """Write an experiment and queue its runs, all or nothing; returns it with the runs' ids.

    Raises:
        StudioError: the name is taken or unusable.
    """
    with writing() as session:
        row = _new(session, name, question, plan)
        if search is not None:
            row.search, row.tried = dict(search), len(configs)
        ids = create_many(configs, preset, row.name, session) if configs else []
        _enter(session, row.id, zip(ids, labels, strict=True))
        return _record(row), ids


def find(reference: str) -> Experiment:
    """One by id, by name, or by the beginning of its id.

    Raises:
        StudioError: there is none, or several ids begin so.
    """
    row = ExperimentRow
    with reading() as session:
        found = session.scalar(select(row).where(or_(row.id == reference, row.name == reference)))
        if found is None and reference.startswith("x-"):
            begun = list(session.scalars(select(row).where(row.id.startswith(reference, autoescape=True)).limit(2)))
            if len(begun) > 1:
                raise StudioError(f"several experiments begin with {reference!r}", remedy="write more of the id")
            found = begun[0] if begun else None
        if found is None:
            raise StudioError(f"no experiment {reference!r}", remedy="'delrec experiment list' lists them")
        return _record(found)


def every() -> list[Experiment]:
    """All, newest first."""
    with reading() as session:
        return [
            _record(row) for row in session.scalars(select(ExperimentRow).order_by(ExperimentRow.created_at.desc()))
        ]


def states(ids: Collection[str]) -> dict[str, dict[RunState, int]]:
    """How many runs of each experiment are in which state."""
    query = select(MemberRow.experiment_id, RunRow.state, func.count()).join(RunRow, RunRow.id == MemberRow.run_id)
    query = query.where(MemberRow.experiment_id.in_(ids)).group_by(MemberRow.experiment_id, RunRow.state)
    found: dict[str, dict[RunState, int]] = {experiment: {} for experiment in ids}
    with reading() as session:
        for experiment, state, count in session.execute(query):
            found[experiment][cast(RunState, state)] = count
    return found


def members(experiment_id: str) -> list[ExperimentRun]:
    """The runs of an experiment in its order."""
    query = select(MemberRow.run_id, MemberRow.label).where(MemberRow.experiment_id == experiment_id)
    with reading() as session:
        return [ExperimentRun(*row) for row in session.execute(query.order_by(MemberRow.position))]


def open_searches() -> list[Experiment]:
    """Searches that go on, oldest first."""
    row = ExperimentRow
    query = select(row).where(row.search.is_not(None), row.closed.is_(False), row.paused.is_(False))
    with reading() as session:
        return [_record(found) for found in session.scalars(query.order_by(row.created_at))]


def search_of(run_id: str) -> Experiment | None:
    """The search that a run is a trial of, as long as it is not closed."""
    row = ExperimentRow
    query = select(row).join(MemberRow).where(MemberRow.run_id == run_id, MemberRow.label.is_not(None))
    with reading() as session:
        found = session.scalar(query.where(row.search.is_not(None), row.closed.is_(False)).limit(1))
        return None if found is None else _record(found)


def add_trial(experiment_id: str, number: int, config: Mapping[str, Any], label: str) -> str | None:
    """Queue trial ``number`` (from 0) of a search and return its run's id.

    ``None`` if somebody else has meanwhile, or the search was paused or closed.
    """
    row = ExperimentRow
    goes_on = (row.id == experiment_id, row.tried == number, row.closed.is_(False), row.paused.is_(False))
    with writing() as session:
        begun = session.execute(update(row).where(*goes_on).values(tried=number + 1))
        if cast(CursorResult[Any], begun).rowcount != 1:
            return None
        found = session.scalars(select(row).where(row.id == experiment_id)).one()
        (run_id,) = create_many([config], (found.search or {}).get("preset"), found.name, session)
        _enter(session, experiment_id, [(run_id, label)])
        return run_id


def change_search(experiment_id: str, search: Mapping[str, Any]) -> None:
    """Another description of what is searched."""
    with writing() as session:
        session.execute(update(ExperimentRow).where(ExperimentRow.id == experiment_id).values(search=dict(search)))


def close(experiment_id: str) -> bool:
    """End a search for good; ``False`` if it was closed already."""
    mine = (ExperimentRow.id == experiment_id, ExperimentRow.closed.is_(False))
    with writing() as session:
        closed = session.execute(update(ExperimentRow).where(*mine).values(closed=True, paused=False))
        return cast(CursorResult[Any], closed).rowcount == 1


def add(experiment_id: str, run_ids: Sequence[str]) -> int:
    """Put runs into an experiment; those that are in it stay where they are. Returns how many came to it."""
    with writing() as session:
        there = set(session.scalars(select(MemberRow.run_id).where(MemberRow.experiment_id == experiment_id)))
        fresh = [run_id for run_id in dict.fromkeys(run_ids) if run_id not in there]
        _enter(session, experiment_id, ((run_id, None) for run_id in fresh))
        return len(fresh)


def pause(experiment_id: str, paused: bool) -> None:
    """Have its queued runs wait, or go on."""
    with writing() as session:
        session.execute(update(ExperimentRow).where(ExperimentRow.id == experiment_id).values(paused=paused))


def forget(experiment_id: str) -> None:
    """Delete an experiment; its runs stay."""
    with writing() as session:
        session.execute(delete(ExperimentRow).where(ExperimentRow.id == experiment_id))


def _new(session: Session, name: str | None, question: str, plan: Mapping[str, Any]) -> ExperimentRow:
    known = set(session.scalars(select(ExperimentRow.id)))
    chosen = _valid(session, name) if name is not None else _free(session)
    row = ExperimentRow(id=drawn_id("x-"), name=chosen, question=_said(question), plan=dict(plan))
    while row.id in known:
        row.id = drawn_id("x-")
    row.paused, row.created_at = False, clock.now()
    session.add(row)
    session.flush()
    return row


def _enter(session: Session, experiment_id: str, runs: Iterable[tuple[str, str | None]]) -> None:
    own = select(func.max(MemberRow.position)).where(MemberRow.experiment_id == experiment_id)
    last = session.scalar(own)
    begin = 0 if last is None else last + 1
    rows = [
        {"experiment_id": experiment_id, "run_id": run_id, "label": label, "position": begin + place}
        for place, (run_id, label) in enumerate(runs)
    ]
    if rows:
        session.execute(insert(MemberRow), rows)


def _valid(session: Session, name: str) -> str:
    chosen = valid_name(name, "an experiment", LONGEST_NAME)
    if session.scalar(select(func.count()).where(ExperimentRow.name == chosen)):
        what = f"an experiment called {chosen!r} exists already"
        raise StudioError(what, where="name", remedy="choose another name")
    return chosen


def _free(session: Session) -> str:
    taken = set(session.scalars(select(ExperimentRow.name)))
    number = 1
    while f"{STEM}-{number}" in taken:
        number += 1
    return f"{STEM}-{number}"


def _said(question: str) -> str:
    if len(question) > LONGEST_QUESTION:
        raise StudioError("the question is too long", where="question", remedy=f"use up to {LONGEST_QUESTION} letters")
    return question.strip()


def _record(row: ExperimentRow) -> Experiment:
    return Experiment(**{field.name: getattr(row, field.name) for field in fields(Experiment)})
