"""Times of a log as numbers: collected in batches, their unit decided by magnitude."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from engine.errors import StudioError
from engine.monitor import Monitor

NONE = np.iinfo(np.int64).min
"""Stands for a time that is missing."""
PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
EPOCH = (10**8, 10**10)
"""Seconds since 1970 that are taken for a moment: of the years 1973 to 2286."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Moments:
    """The times of a log, in the order of its rows."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._counted = 0
        """Rows without any time: their order is the time."""

    def add(self, times: Sequence[str] | np.ndarray | int) -> None:
        """Cells, int64 values, or how many rows have no times at all."""
        if isinstance(times, int):
            self._parts.append(np.arange(self._counted, self._counted + times))
            self._counted += times
        elif isinstance(times, np.ndarray):
            self._parts.append(times.astype(np.int64))
        else:
            self._parts.append(_numbers(times))

    def decide(self, monitor: Monitor) -> tuple[np.ndarray, str]:
        """int64 times, and what they were taken for.

        Raises:
            StudioError: times of several units.
        """
        values = np.concatenate(self._parts) if self._parts else np.empty(0, np.int64)
        self._parts = []
        if self._counted:
            return values, "no times in the files: the order of the rows is taken for the time"
        return values, _unit(values[values != NONE])


def _numbers(cells: Sequence[str]) -> np.ndarray:
    try:
        return np.fromiter(map(int, cells), np.int64, len(cells))
    except (ValueError, OverflowError):
        return np.fromiter(map(_number, cells), np.int64, len(cells))


def _number(cell: str) -> int:
    cell = cell.strip()
    if not _NUMBER.fullmatch(cell):
        return int(NONE)
    value = int(Decimal(cell).to_integral_value("ROUND_FLOOR"))
    return value if abs(value) < 2**62 else int(NONE)


def _unit(values: np.ndarray) -> str:
    size = np.abs(values)
    found = {unit: int(((size >= EPOCH[0] * per) & (size < EPOCH[1] * per)).sum()) for unit, per in PER_SECOND.items()}
    unit = max(found, key=lambda name: found[name])
    if not found[unit]:
        return "plain numbers that tell the order only"
    if len([name for name in found if found[name]]) > 1:
        raise StudioError("the times mix units", where="times", remedy="write all in one unit")
    first = datetime.fromtimestamp(int(values.min()) // PER_SECOND[unit], UTC)
    last = datetime.fromtimestamp(int(values.max()) // PER_SECOND[unit], UTC)
    days = unit == "seconds" and not (values % 86_400).any()
    return f"{'whole days in ' if days else ''}{unit} since 1970, from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
