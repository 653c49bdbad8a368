"""A data set in memory, and the one place where interactions become sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.data.catalogue import Catalogue
from engine.data.timestamps import Unit

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


@dataclass
class Rows:
    """Interactions sorted by user, then by time, then by place in the file; columns of equal length."""

    users: np.ndarray
    """int32"""
    items: np.ndarray
    """int32 dense item ids."""
    times: np.ndarray
    """int64"""

    def keep(self, mask: np.ndarray) -> int:
        """Only the rows of a mask; how many go."""
        gone = len(mask) - int(mask.sum())
        if gone:
            self.users, self.items, self.times = self.users[mask], self.items[mask], self.times[mask]
        return gone


def assemble(
    name: str,
    catalogue: Catalogue,
    user_ids: Sequence[str],
    rows: Rows,
    *,
    source: str,
    cleaning: Cleaning | None = None,
    by_id: bool = True,
) -> Dataset:
    """One sequence per user who has rows, out of rows that :func:`engine.data.cleaning.clean_rows` has put in order.

    Users come in the order of their ids, numbers by value. Items come in the order of their ids in the files, numbers
    by value, so that the order of a file's rows changes no dense id. ``by_id=False`` leaves them in the order of the
    items file, as runs that keep no fingerprint had them.

    Args:
        user_ids: of ``rows.users``.
    """
    places = np.arange(len(catalogue))
    if by_id:
        order = sorted(range(len(catalogue)), key=lambda item: _id_order(catalogue.raw_ids[item]))
        catalogue = catalogue.take(order)
        places[order] = np.arange(len(order))
    items = places[rows.items]
    begins = np.flatnonzero(np.diff(rows.users, prepend=-1)).tolist()
    ends = [*begins[1:], len(items)]
    users = [(user_ids[rows.users[begin]], begin, end) for begin, end in zip(begins, ends, strict=True)]
    users.sort(key=lambda user: _id_order(user[0]))
    return Dataset(
        name=name,
        catalogue=catalogue,
        sequences=tuple(items[begin:end] for _, begin, end in users),
        timestamps=tuple(rows.times[begin:end] for _, begin, end in users),
        user_ids=tuple(user for user, *_ in users),
        source=source,
        cleaning=cleaning,
    )


def _id_order(raw: str) -> tuple[bool, int, str]:
    number = raw.isascii() and raw.isdecimal() and len(raw) < 19
    return not number, int(raw) if number else 0, raw
