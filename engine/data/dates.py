"""Dates as numbers, and numbers as dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np

_ALIKE = re.compile(
    r"(?!0000)\d{4}-\d\d-\d\d(?:(?:\n(?!0000)\d{4}-\d\d-\d\d)*|[T ]\d\d:\d\d:\d\d"
    r"(?:\n(?!0000)\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)*)",
    re.ASCII,
)
_FIRST_DAY = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=1 << 14)
def midnight(year: int, month: int, day: int) -> int:
    """Seconds from 1970 to the beginning of a day."""
    return (date(year, month, day).toordinal() - _FIRST_DAY) * 86_400


def alike(cells: Sequence[str]) -> np.ndarray | None:
    """int64: seconds from 1970, where all cells are days or all are days with a time, as most logs write them; ``None``
    for anything else."""
    if not _ALIKE.fullmatch("\n".join(cells)):
        return None
    try:
        found: np.ndarray = np.array(cells, "datetime64[s]").astype(np.int64)
    except ValueError:
        return None
    return found


@lru_cache(maxsize=256)
def offset(zone: str) -> int:
    """Seconds that a zone such as ``+02:00`` is ahead of UTC."""
    digits = re.sub(r"[^\d+-]", "", zone)
    hours, minutes = int(digits[1:3] or 0), int(digits[3:5] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError
    return (-1 if digits[:1] == "-" else 1) * (3600 * hours + 60 * minutes)


def readable(values: np.ndarray, digits: int) -> np.ndarray:
    """bool: which numbers read as dates of the years 1900 to 2100, written with so many digits."""
    rest, plausible = values, np.ones(len(values), bool)
    for largest in {8: (), 12: (59, 23), 14: (59, 59, 23)}[digits]:
        rest, last = np.divmod(rest, 100)
        plausible &= last <= largest
    rest, day = np.divmod(rest, 100)
    year, month = np.divmod(rest, 100)
    return plausible & (day >= 1) & (day <= 31) & (month >= 1) & (month <= 12) & (year >= 1900) & (year <= 2100)


def span(values: np.ndarray, per_second: int) -> str:
    """``", from 1997-09-20 to 1998-04-22"``; nothing for moments of no calendar."""
    try:
        first, last = (
            datetime(1970, 1, 1) + timedelta(seconds=int(edge) // per_second) for edge in (values.min(), values.max())
        )
    except OverflowError:
        return ""
    return f", from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
