"""A data set in memory, and the one place where interactions become sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.data.catalogue import Catalogue
from engine.data.moments import Unit
from engine.errors import StudioError
from engine.monitor import Monitor

if TYPE_CHECKING:
    from engine.data.cleaning import Cleaning


@dataclass(frozen=True)
class Interactions:
    """A log in file order, the order that breaks ties. All columns have the same length."""

    users: Sequence[str]
    """External user ids."""
    items: np.ndarray
    """int64 dense item ids."""
    timestamps: np.ndarray
    """int64, in :attr:`unit` since 1970, or plain numbers that grow with time."""
    unit: Unit = "s"


@dataclass(frozen=True)
class Dataset:
    """Users' sequences over a catalogue."""

    name: str
    catalogue: Catalogue
    sequences: tuple[np.ndarray, ...]
    """Per user int64 item ids, oldest first; equal timestamps keep the order of the file; no item twice."""
    timestamps: tuple[np.ndarray, ...]
    """Per user int64, aligned with :attr:`sequences`, never falling."""
    user_ids: tuple[str, ...]
    source: str
    """Where the data came from, in words."""
    cleaning: Cleaning | None = None
    """What was left out, and how times were read; None for data made in memory."""
    note: str = ""
    """What the reader of an answer that rests on these data has to know about them, in one sentence."""

    @property
    def n_users(self) -> int:
        return len(self.sequences)

    @property
    def n_interactions(self) -> int:
        return sum(map(len, self.sequences))


def assemble(
    name: str,
    catalogue: Catalogue,
    log: Interactions,
    *,
    min_interactions: int,
    source: str,
    monitor: Monitor,
    by_id: bool = True,
) -> Dataset:
    """Order a catalogue, and a log into one sequence per user.

    Items come in the order of their ids in the files, numbers by value, so that the order of a file's rows changes no
    dense id. ``by_id=False`` leaves them in the order of the rows, as runs that keep no fingerprint had them.

    The tie rule, fixed: by timestamp, then by position in the file. A user's repeated interactions with one item count
    once, the earliest, so that a target never stands in its own history. Users come in the order of their ids, numbers
    by value. Users with fewer than ``min_interactions`` are left out.

    Raises:
        StudioError: no user is left.
    """
    if by_id:
        catalogue, log = _items_by_id(catalogue, log)
    codes: dict[str, int] = {}
    users = np.fromiter((codes.setdefault(user, len(codes)) for user in log.users), np.int64, len(log.users))
    order = np.lexsort((log.timestamps, users))  # stable: ties keep the file's order
    bounds = np.flatnonzero(np.diff(users[order])) + 1
    rows = np.split(order, bounds) if len(order) else []
    names = list(codes)
    kept: list[tuple[str, np.ndarray]] = []
    repeats = short = 0
    for user, positions in enumerate(rows):
        firsts = np.sort(np.unique(log.items[positions], return_index=True)[1])
        repeats += len(positions) - len(firsts)
        if len(firsts) < min_interactions:
            short += 1
        else:
            kept.append((names[user], positions[firsts]))
    if repeats:
        monitor.message(f"{repeats} repeated interactions of a user with one item were left out (the first stays)")
    if short:
        monitor.message(f"{short} users with fewer than {min_interactions} interactions were left out")
    if not kept:
        raise StudioError(
            f"no user has {min_interactions} interactions or more",
            where=source,
            remedy="lower data.min_interactions or bring more data",
        )
    kept.sort(key=lambda entry: _id_order(entry[0]))
    return Dataset(
        name=name,
        catalogue=catalogue,
        sequences=tuple(log.items[positions] for _, positions in kept),
        timestamps=tuple(log.timestamps[positions] for _, positions in kept),
        user_ids=tuple(user for user, _ in kept),
        source=source,
    )


def _items_by_id(catalogue: Catalogue, log: Interactions) -> tuple[Catalogue, Interactions]:
    order = sorted(range(len(catalogue)), key=lambda item: _id_order(catalogue.raw_ids[item]))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return catalogue.take(order), Interactions(log.users, places[log.items], log.timestamps)


def _id_order(raw: str) -> tuple[bool, int, str]:
    number = raw.isascii() and raw.isdecimal() and len(raw) < 19
    return not number, int(raw) if number else 0, raw
