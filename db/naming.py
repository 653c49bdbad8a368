"""What runs are called: ids, folders, unique names."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.schema import RunRow
from engine.errors import StudioError
from engine.paths import home

ID = re.compile(r"r-[a-z0-9]{6}")
EXPERIMENT_ID = re.compile(r"x-[a-z0-9]{6}")
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
LONGEST_NAME = 80


def run_folder(run_id: str) -> Path:
    """``<home>/runs/<id>``.

    Raises:
        StudioError: ``run_id`` is not an id, e.g. a path that leads out of the runs' folder.
    """
    if not ID.fullmatch(run_id):
        raise StudioError(f"{run_id!r} is not the id of a run", remedy="'delrec runs' lists the runs")
    return home() / "runs" / run_id


def valid_name(name: str, what: str = "a run", longest: int = LONGEST_NAME) -> str:
    """The name of ``what`` as it will be stored.

    Raises:
        StudioError: it is empty, too long, has line breaks or invisible characters, or looks like an id.
    """
    trimmed = name.strip()
    if not trimmed or len(trimmed) > longest or not trimmed.isprintable():
        raise StudioError(
            f"{trimmed[:LONGEST_NAME]!r} cannot name {what}",
            where="name",
            remedy=f"use 1 to {longest} visible characters on one line",
        )
    if ID.fullmatch(trimmed) or EXPERIMENT_ID.fullmatch(trimmed):
        raise StudioError(f"{trimmed!r} looks like an id", where="name", remedy="choose another name")
    return trimmed


def valid_notes(tags: Sequence[str], note: str) -> None:
    """Raise :class:`StudioError` if tags or note are too long."""
    if sum(map(len, tags)) > 1000 or len(note) > 20_000:
        raise StudioError("tags or note are too long", where="note", remedy="use up to 1000 and 20000 characters")


def taken(session: Session, name: str) -> bool:
    """Whether a run is called so."""
    return bool(session.scalar(select(func.count()).where(RunRow.name == name)))


def refuse_taken(session: Session, name: str) -> None:
    """Raise :class:`StudioError` if a run is called so."""
    if taken(session, name):
        raise StudioError(f"a run called {name!r} exists already", where="name", remedy="choose another name")


def free_name(session: Session, stem: str) -> str:
    """``<stem>-<number>`` with the first number that is free."""
    return free_names(session, stem, 1)[0]


def free_names(session: Session, stem: str, count: int) -> list[str]:
    """The first ``count`` of them."""
    taken = set(session.scalars(select(RunRow.name).where(RunRow.name.startswith(f"{stem}-", autoescape=True))))
    free = (name for number in itertools.count(1) if (name := f"{stem}-{number}") not in taken)
    return list(itertools.islice(free, count))


def new_id(session: Session) -> str:
    """An id that no run and no folder has."""
    while True:
        run_id = drawn_id("r-")
        if not exists(session, run_id):
            return run_id


def drawn_id(prefix: str) -> str:
    """``prefix`` with six letters and digits drawn at random."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(6))


def exists(session: Session, run_id: str) -> bool:
    """Whether a run has this id, or a folder that its files would go to is there."""
    return session.get(RunRow, run_id) is not None or run_folder(run_id).exists()
