"""Dates as numbers, and numbers as dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

_DAY = r"(?!0000)\d{4}-\d\d-\d\d"
_STAMP = re.compile(rf"{_DAY}(?:[T ]\d\d:\d\d(?P<second>:\d\d(?P<part>\.\d{{1,9}})?)?(?P<zone>Z|\+00:00)?)?", re.ASCII)
_FIRST_DAY = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=1 << 14)
def midnight(year: int, month: int, day: int) -> int:
    """Seconds from 1970 to the beginning of a day."""
    return (date(year, month, day).toordinal() - _FIRST_DAY) * 86_400


class Stamps(NamedTuple):
    """Dates of one form. ``seconds``: int64, from 1970; ``nanos``: int64, billionths left."""

    seconds: np.ndarray
    nanos: np.ndarray
    kind: Literal["day", "naive", "aware"]
    """A day alone, with a time of day, with a time zone too."""


def alike(cells: Sequence[str]) -> Stamps | None:
    """All cells, where they are days or days with times in UTC, written as most logs write them and all in one form;
    ``None`` for anything else."""
    first = _STAMP.fullmatch(cells[0]) if cells else None
    if first is None:
        return None
    timed, zone = len(cells[0]) > len("2024-05-01"), first["zone"] or ""
    form = _DAY
    if timed:
        form += (
            r"[T ]\d\d:\d\d" + r":\d\d" * bool(first["second"]) + r"\.\d{1,9}" * bool(first["part"]) + re.escape(zone)
        )
    if not re.fullmatch(rf"{form}(?:\n{form})*", "\n".join(cells), re.ASCII):
        return None
    size = len("2024-05-01T20:15:00") if first["part"] else len(cells[0]) - len(zone)
    nanos = np.zeros(len(cells), np.int64)
    try:
        seconds = np.array([cell[:size] for cell in cells], "datetime64[s]").astype(np.int64)
    except ValueError:
        return None
    if first["part"]:
        parts = (cell[size + 1 : len(cell) - len(zone)] for cell in cells)
        nanos[:] = np.fromiter((int(f"{part:0<9}") for part in parts), np.int64, len(cells))
    return Stamps(seconds, nanos, "aware" if zone else "naive" if timed else "day")


def whole_numbers(cells: Sequence[str]) -> np.ndarray | None:
    """int64, where all cells are plain whole numbers, as in most tables: ``978300760`` or ``978300760.0``."""
    digits = "".join(cells)
    if not cells or not digits.isascii() or not digits.replace(".0", "").isdigit():
        return None
    try:
        plain = cells if "." not in digits else [cell.removesuffix(".0") for cell in cells]
        return np.fromiter(map(int, plain), np.int64, len(cells))
    except (ValueError, OverflowError):
        return None


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
