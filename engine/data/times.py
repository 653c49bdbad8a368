"""Times as files write them: one notation and one unit for a whole column, and no fraction of a second lost.

A column holds either dates or numbers. Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970 by
their magnitude, or dates without separators (20240501, 20240501201500), or plain numbers that only grow. What was taken
is said; a column that mixes notations is refused with its lines, since any order of it would be a guess.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np

from engine.errors import StudioError
from engine.monitor import Monitor

Unit = Literal["s", "ms", "us", "ns"]
PER_SECOND: dict[Unit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UNITS: dict[Unit, str] = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
EPOCH = (10**8, 10**10)
"""Seconds since 1970 that are taken for a moment in time: of the years 1973 to 2286. A thousand times as many are
milliseconds, and so on; the ranges of the units do not meet."""
COMPACT: dict[str, int] = {"%Y%m%d": 8, "%Y%m%d%H%M": 12, "%Y%m%d%H%M%S": 14}
"""Dates without separators, and how many digits they have."""
CHUNK = 1 << 16
"""Cells read at once."""
NAMED = 3
"""Lines named where several are at fault."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(
    r"(\d{4})([-/.])(\d\d?)\2(\d\d?)"
    r"(?:[Tt ] ?(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?"
    r" ?([Zz]|UTC|GMT|(?:UTC|GMT)?[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_NANO = 10**9
_FIRST_DAY = date(1970, 1, 1).toordinal()
_ONE_NOTATION = "write all times of the column in one notation"
_ADVICE = "write seconds since 1970, or a date as 2024-05-01 or 2024-05-01T20:15:00"


@dataclass(frozen=True)
class Moments:
    """A column of times, decided. ``values``: int64 in ``unit``, the coarsest that holds all of them exactly."""

    values: np.ndarray
    unit: Unit


@dataclass
class _Lines:
    """How many lines are of one kind, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        more = self.count - len(self.first)
        listed = ", ".join(map(str, self.first)) + (f" and {more} more" if more else "")
        return f"{'line' if self.count == 1 else 'lines'} {listed}"


class TimeColumn:
    """Collects the cells of a column, then decides what they mean.

    Args:
        path: the file, for messages.
        column: its name, for messages.
        unit: of the numbers, where the file says so; otherwise their magnitude decides.
    """

    def __init__(self, path: Path, column: str = "timestamp", unit: Unit | None = None) -> None:
        self.path, self.column, self.unit = path, column, unit
        self.whole, self.nano, self.lines = array("q"), array("q"), array("q")
        """Numbers or, for dates, seconds since 1970, rounded down; billionths left; where they stand in the file."""
        self.dates: bool | None = None
        """Whether the column holds dates; None before the first cell."""
        self.kinds = {kind: _Lines() for kind in ("day", "naive", "aware")}
        """Lines with a date alone, with a time of day, and with a time zone too."""
        self.finer = False
        self._cells: list[str] = []
        self._first = ("", 0)

    def add(self, cell: str, line: int) -> None:
        """Take the cell of a line.

        Raises:
            StudioError: it, or one before it, is no time, or of another notation than the cells before.
        """
        self._cells.append(cell)
        self.lines.append(line)
        if len(self._cells) >= CHUNK:
            self._read()

    def decide(self, monitor: Monitor) -> Moments:
        """The moments of all cells, in their order; says which notation was taken and which lines look odd.

        Raises:
            StudioError: a cell is no time, or notations or units are mixed; names lines.
        """
        self._read()
        whole, nano = (np.array(part, np.int64) for part in (self.whole, self.nano))
        unit: Unit = "s"
        if self.dates:
            said = self._said_of_dates(monitor)
        elif (compact := self._compact(whole, nano)) is not None:
            whole, said = compact
        else:
            unit, said = self._unit(whole, monitor)
        moments, cut = _exact(whole, nano, PER_SECOND[unit])
        if moments is None:
            raise StudioError(
                "times to the nanosecond before 1678 or after 2262",
                where=f"{self.path}, column {self.column}",
                remedy="write them to the microsecond",
            )
        if len(whole):
            below = "; digits below a nanosecond are cut off" if self.finer or cut else ""
            monitor.message(f"Times of {self.path.name}: {said}{below}")
        return moments

    def _read(self) -> None:
        cells, self._cells = self._cells, []
        digits = "".join(cells)
        if self.dates is not True and digits.isascii() and digits.isdigit() and "" not in cells:  # most tables' times
            numbers = list(map(int, cells))
            if max(numbers) < 2**63:
                if self.dates is None:
                    self.dates, self._first = False, (cells[0], self.lines[0])
                self.whole.extend(numbers)
                self.nano.extend(repeat(0, len(cells)))
                return
        for cell in cells:
            self._take(cell, self.lines[len(self.whole)])

    def _take(self, cell: str, line: int) -> None:
        dates = _NUMBER.fullmatch(cell) is None
        whole, nano = self._date(cell, line) if dates else self._number(cell, line)
        if self.dates is None:
            self.dates, self._first = dates, (cell, line)
        elif self.dates != dates:
            kinds = ("a date", "numbers") if dates else ("a number", "dates")
            before, at = self._first
            self._fail(f"{cell!r} is {kinds[0]} among {kinds[1]} such as {before!r} (line {at})", line, _ONE_NOTATION)
        self.whole.append(whole)
        self.nano.append(nano)

    def _number(self, cell: str, line: int) -> tuple[int, int]:
        value = Decimal(cell)
        whole = int(value.to_integral_value("ROUND_FLOOR")) if value.adjusted() < 20 else 2**63
        if not -(2**63) <= whole < 2**63:
            self._fail(f"{cell!r} is too large for a timestamp", line, _ADVICE)
        nano = (value - whole) * _NANO
        self.finer |= nano != int(nano)
        return whole, int(nano)

    def _date(self, cell: str, line: int) -> tuple[int, int]:
        """Seconds since 1970 and nanoseconds; dates without a zone are taken as UTC."""
        match = _DATE.fullmatch(cell)
        try:
            if match is None:
                return self._basic(cell, line)
            year, _, month, day, hour, minute, second, fraction, zone = match.groups()
            at = _day(int(year), int(month), int(day)) - _offset(zone or "")
            if hour is not None:
                hours, minutes, seconds = int(hour), int(minute), int(second or 0)
                if hours > 23 or minutes > 59 or seconds > 59:
                    raise ValueError
                at += 3600 * hours + 60 * minutes + seconds
            digits = f"{fraction or '':0<9}"
            self.finer |= bool(digits[9:].strip("0"))
            self._note("day" if hour is None else "aware" if zone else "naive", line)
            return at, int(digits[:9])
        except (ValueError, OverflowError):
            self._fail(f"{cell!r} is not a timestamp", line, _ADVICE)

    def _basic(self, cell: str, line: int) -> tuple[int, int]:
        """The other forms of ISO 8601, such as ``20240501T201500`` or ``2024-W18-3``."""
        if re.search(r"[.,]\d{7}", cell):  # Python would cut it off without a word
            raise ValueError
        moment = datetime.fromisoformat(cell)
        self._note("day" if len(cell) <= len("2024-W18-3") else "aware" if moment.tzinfo else "naive", line)
        passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return passed.days * 86_400 + passed.seconds, passed.microseconds * 1000

    def _note(self, kind: str, line: int) -> None:
        lines = self.kinds[kind]
        lines.count += 1
        if lines.count <= NAMED:
            lines.first.append(line)

    def _said_of_dates(self, monitor: Monitor) -> str:
        days, naive, aware = (self.kinds[kind] for kind in ("day", "naive", "aware"))
        if days.count and (naive.count or aware.count):
            self._warn(monitor, days, "dates without a time of day among times, taken as the day's beginning")
        if naive.count and aware.count:
            self._warn(monitor, naive, "times without a zone among times with one, taken as UTC")
        return "dates" + (", taken as UTC" if not aware.count else ", with their time zones")

    def _compact(self, whole: np.ndarray, nano: np.ndarray) -> tuple[np.ndarray, str] | None:
        """Seconds since 1970 where most numbers read as dates without separators, ``None`` elsewhere."""
        if not len(whole) or self.unit or nano.any():
            return None
        for form, digits in COMPACT.items():
            plausible = _readable(whole, digits)
            if plausible.mean() <= 0.5:
                continue
            first = whole[plausible][0]
            if not plausible.all():
                row = int(np.argmin(plausible))
                self._fail(f"{whole[row]} stands among dates such as {first}", self.lines[row], _ONE_NOTATION)
            values, places = np.unique(whole, return_inverse=True)
            seconds = []
            for place, value in enumerate(values.tolist()):
                try:
                    seconds.append(int(datetime.strptime(f"{value}+0000", f"{form}%z").timestamp()))
                except ValueError:
                    row = int(np.argmax(places == place))
                    self._fail(f"{value} is not a date", self.lines[row], _ADVICE)
            shown = datetime.strptime(str(first), form)
            return np.array(seconds, np.int64)[places], f"dates without separators ({first} is {shown:%Y-%m-%d})"
        return None

    def _unit(self, whole: np.ndarray, monitor: Monitor) -> tuple[Unit, str]:
        size = np.abs(whole)
        rows = {unit: (size >= EPOCH[0] * per) & (size < EPOCH[1] * per) for unit, per in PER_SECOND.items()}
        found = sorted((unit for unit in rows if rows[unit].any()), key=lambda unit: -int(rows[unit].sum()))
        unit = self.unit or (found[0] if found else None)
        if unit is None:
            return "s", "plain numbers, no dates"
        if len(found) > 1 and not self.unit:
            these, those = rows[unit], rows[found[1]]
            raise StudioError(
                f"the times mix units: {whole[np.argmax(these)]} ({self._lines_of(these, 1)}) is {UNITS[unit]} since"
                f" 1970, {whole[np.argmax(those)]} ({self._lines_of(those)}) {UNITS[found[1]]}",
                where=f"{self.path}, column {self.column}",
                remedy=f"{_ONE_NOTATION}; if it is one, name the column after its unit, e.g. timestamp_ms",
            )
        if unit in found:
            early = ~rows[unit] & (whole < EPOCH[0] * PER_SECOND[unit])
            for odd, when in ((early, "before 1973"), (~early & ~rows[unit], "after 2286")):
                if odd.any():
                    self._warn(monitor, self._lines_of(odd), f"times {when} among {UNITS[unit]} since 1970")
        if self.unit:
            return unit, f"{UNITS[unit]}, as the column's name says"
        first = int(whole[rows[unit]][0])
        shown = datetime(1970, 1, 1) + timedelta(seconds=first // PER_SECOND[unit])
        return unit, f"{UNITS[unit]} since 1970 ({first} is {shown:%Y-%m-%d %H:%M:%S} UTC)"

    def _lines_of(self, rows: np.ndarray, most: int | None = None) -> _Lines:
        places = np.flatnonzero(rows)[:most]
        return _Lines(len(places), [self.lines[int(place)] for place in places[:NAMED]])

    def _warn(self, monitor: Monitor, lines: _Lines, what: str) -> None:
        monitor.message(f"Warning: {self.path.name}, {lines}: {what}; check that the order is right")

    def _fail(self, what: str, line: int, remedy: str) -> NoReturn:
        raise StudioError(what, where=f"{self.path}, line {line}, column {self.column}", remedy=remedy)


@lru_cache(maxsize=1 << 14)
def _day(year: int, month: int, day: int) -> int:
    """Seconds from 1970 to the beginning of a day."""
    return (date(year, month, day).toordinal() - _FIRST_DAY) * 86_400


@lru_cache(maxsize=256)
def _offset(zone: str) -> int:
    """Seconds that a zone such as ``+02:00`` is ahead of UTC."""
    digits = re.sub(r"[^\d+-]", "", zone)
    hours, minutes = int(digits[1:3] or 0), int(digits[3:5] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError
    return (-1 if digits[:1] == "-" else 1) * (3600 * hours + 60 * minutes)


def _readable(values: np.ndarray, digits: int) -> np.ndarray:
    """bool: which numbers read as dates of the years 1900 to 2100, written with so many digits."""
    rest, plausible = values, np.ones(len(values), bool)
    for largest in {8: (), 12: (59, 23), 14: (59, 59, 23)}[digits]:
        rest, last = np.divmod(rest, 100)
        plausible &= last <= largest
    rest, day = np.divmod(rest, 100)
    year, month = np.divmod(rest, 100)
    return plausible & (day >= 1) & (day <= 31) & (month >= 1) & (month <= 12) & (year >= 1900) & (year <= 2100)


def _exact(whole: np.ndarray, nano: np.ndarray, per_second: int) -> tuple[Moments | None, bool]:
    """Moments from numbers of a unit and billionths of it, in the coarsest unit that loses nothing; ``None`` where
    nanoseconds would not fit. Second, whether something below a nanosecond was lost all the same."""
    seconds, rest = np.divmod(whole, per_second)
    nanos, cut = np.divmod(rest * _NANO + nano, per_second)
    unit = next(unit for unit, per in PER_SECOND.items() if unit == "ns" or not (nanos % (_NANO // per)).any())
    per = PER_SECOND[unit]
    parts = nanos // (_NANO // per)
    for edge in {int(seconds.min()), int(seconds.max())} if len(seconds) else ():
        ends = parts[seconds == edge]
        if edge * per + int(ends.min()) < -(2**63) or edge * per + int(ends.max()) >= 2**63:
            return None, False
    return Moments(seconds * per + parts, unit), bool(cut.any())
