"""Times as files write them: one notation and one unit for a whole log, and no fraction of a second lost.

A log holds either dates or numbers. Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970 by
their magnitude, or dates without separators (20240501, 20240501201500), or plain numbers that only grow. What was taken
is said; a log that mixes notations is refused with its rows, since any order of it would be a guess.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from typing import Literal, NoReturn

import numpy as np

from engine.data.dates import alike, midnight, offset, readable, span, whole_numbers
from engine.data.title_parsing import NO_WORD
from engine.errors import StudioError

Unit = Literal["s", "ms", "us", "ns"]
PER_SECOND: dict[Unit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UNITS: dict[Unit, str] = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
EPOCH = (10**8, 10**10)
"""Seconds since 1970 that are taken for a moment in time: of the years 1973 to 2286. A thousand times as many are
milliseconds, and so on; the ranges of the units do not meet."""
COMPACT: dict[str, int] = {"%Y%m%d": 8, "%Y%m%d%H%M": 12, "%Y%m%d%H%M%S": 14}
"""Dates without separators, and how many digits they have."""
COMPACT_SHARE = 0.1
"""Of whole numbers in the range of such dates 4 % read as one by chance."""
NONE = int(np.iinfo(np.int64).min)
"""Stands for a time that is missing."""
NAMED = 3
"""Rows named where several are at fault."""
PLAIN = "plain numbers that tell the order only"

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(
    r"(\d{4})([-/.])(\d\d?)\2(\d\d?)"
    r"(?:[Tt ] ?(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?"
    r" ?([Zz]|UTC|GMT|(?:UTC|GMT)?[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_NANO = 10**9
_ONE_NOTATION = "write all times of the column in one notation"
_ADVICE = "write seconds since 1970, or a date as 2024-05-01 or 2024-05-01T20:15:00"


@dataclass(frozen=True)
class ParsedTimestamps:
    """A column of times. ``values``: int64 in ``unit``, the coarsest that holds all of them exactly, and :data:`NONE`
    where there is none; ``note``: what they were taken for, and which rows look odd."""

    values: np.ndarray
    unit: Unit
    note: str


@dataclass
class _OddRows:
    """How many rows are of one kind, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)


class TimestampColumn:
    """The times of a log, in the order of its rows, collected in batches.

    Args:
        unit: of the numbers, where the file says so; otherwise their magnitude decides.
        where: the file, for messages.
        column: its column, for messages.
        line: the line of the file in which a row (from 0) stands.
    """

    def __init__(
        self,
        unit: Unit | None = None,
        where: str = "the times",
        column: str = "",
        line: Callable[[int], int] | None = None,
    ) -> None:
        self.unit, self.where, self.line = unit, where, line
        self.column = f", column {column}" if column else ""
        self.whole, self.nano = array("q"), array("q")
        """Numbers or, for dates, seconds since 1970, rounded down, and the billionths left."""
        self.dates: bool | None = None
        """Whether they are dates; None before the first one."""
        self.kinds = {kind: _OddRows() for kind in ("day", "naive", "aware")}
        """Rows with a date alone, with a time of day, and with a time zone too."""
        self.finer = False
        self._first = ("", 0)
        self._counted = 0

    def add(self, times: Sequence[str] | np.ndarray | int) -> None:
        """Cells, int64 values, or how many rows have no times at all, so that their order is the time.

        Raises:
            StudioError: a cell is no time, or of another notation than those before.
        """
        if isinstance(times, int):
            self.whole.extend(range(self._counted, self._counted + times))
            self._counted += times
        elif isinstance(times, np.ndarray):
            if self.dates and len(times):
                self._take(str(times[0]), len(self.whole))  # a fault: a number among dates
            elif self.dates is None and len(times):
                self.dates, self._first = False, (str(times[0]), len(self.whole))
            self.whole.frombytes(times.astype(np.int64).tobytes())
        else:
            self._read(times)

    def decide(self) -> ParsedTimestamps:
        """What all of them are.

        Raises:
            StudioError: units are mixed, or numbers stand among dates.
        """
        if self._counted:
            note = "no times in the files: the order of the rows is taken for the time"
            return ParsedTimestamps(np.array(self.whole, np.int64), "s", note)
        whole = np.frombuffer(self.whole, np.int64)  # a view: there may be as many as take a good share of the memory
        plain = not (self.dates or self.nano or self.finer or self.unit)
        if plain and (seconds := _seconds(whole)) is not None:
            return seconds
        nano = np.zeros(len(whole), np.int64)
        nano[: len(self.nano)] = self.nano
        there = whole != NONE
        if there.all():
            return self._decided(whole, nano, np.arange(len(whole)))
        found = self._decided(whole[there], nano[there], np.flatnonzero(there))
        whole[there] = found.values
        return ParsedTimestamps(whole, found.unit, found.note)

    def _decided(self, whole: np.ndarray, nano: np.ndarray, rows: np.ndarray) -> ParsedTimestamps:
        """``rows``: the places of these times in the log."""
        unit: Unit = "s"
        if not len(whole):
            return ParsedTimestamps(whole, unit, "no times")
        odd: list[str] = []
        if self.dates:
            note = self._date_note(odd)
        elif (compact := self._compact(whole, nano, rows)) is not None:
            whole, note = compact, "dates without separators"
        else:
            unit, note = self._unit(whole, rows, odd, days=not nano.any())
        values, exact, cut = _exact(whole, nano, PER_SECOND[unit])
        if values is None:
            what = "times to the nanosecond before 1678 or after 2262"
            raise StudioError(what, where=f"{self.where}{self.column}", remedy="write them to the microsecond")
        if note != PLAIN:
            note += span(values, PER_SECOND[exact])
        if self.finer or cut:
            odd.append("digits below a nanosecond are cut off")
        return ParsedTimestamps(values, exact, "; ".join([note, *odd]))

    def _read(self, cells: Sequence[str]) -> None:
        numbers = None if self.dates else whole_numbers(cells)
        stamps = alike(cells) if numbers is None and self.dates is not False else None
        values = numbers if stamps is None else stamps.seconds
        if values is None:
            for cell in cells:
                self._take(cell.strip(), len(self.whole))
            return
        if self.dates is None:
            self.dates, self._first = stamps is not None, (cells[0], len(self.whole))
        if stamps is not None:
            if stamps.nanos.any():
                self.nano.extend(repeat(0, len(self.whole) - len(self.nano)))
                self.nano.frombytes(stamps.nanos.tobytes())
            rows = self.kinds[stamps.kind]
            rows.first += range(len(self.whole), len(self.whole) + min(len(cells), NAMED - len(rows.first)))
            rows.count += len(cells)
        self.whole.frombytes(values.tobytes())

    def _take(self, cell: str, row: int) -> None:
        if cell.lower() in NO_WORD:
            self.whole.append(NONE)
            self._keep(0)
            return
        dates = _NUMBER.fullmatch(cell) is None
        whole, nano = self._date(cell, row) if dates else self._number(cell, row)
        if self.dates is None:
            self.dates, self._first = dates, (cell, row)
        elif self.dates != dates:
            kinds = ("a date", "numbers") if dates else ("a number", "dates")
            before, at = self._first
            what = f"{cell!r} is {kinds[0]} among {kinds[1]} such as {before!r} ({self._named([at])})"
            self._fail(what, row, _ONE_NOTATION)
        self.whole.append(whole)
        self._keep(nano)

    def _keep(self, nano: int) -> None:
        """The fraction of the last time; while all are whole, none is kept."""
        if nano or self.nano:
            self.nano.extend(repeat(0, len(self.whole) - 1 - len(self.nano)))
            self.nano.append(nano)

    def _number(self, cell: str, row: int) -> tuple[int, int]:
        value = Decimal(cell)
        whole = int(value.to_integral_value("ROUND_FLOOR")) if value.adjusted() < 20 else 2**63
        if not NONE < whole < 2**63:
            self._fail(f"{cell!r} is too large for a timestamp", row, _ADVICE)
        nano = (value - whole) * _NANO
        self.finer |= nano != int(nano)
        return whole, int(nano)

    def _date(self, cell: str, row: int) -> tuple[int, int]:
        """Seconds since 1970 and nanoseconds; dates without a zone are taken as UTC."""
        match = _DATE.fullmatch(cell)
        try:
            if match is None:
                return self._basic(cell, row)
            year, _, month, day, hour, minute, second, fraction, zone = match.groups()
            at = midnight(int(year), int(month), int(day)) - offset(zone or "")
            if hour is not None:
                hours, minutes, seconds = int(hour), int(minute), int(second or 0)
                if hours > 23 or minutes > 59 or seconds > 59:
                    raise ValueError
                at += 3600 * hours + 60 * minutes + seconds
            digits = f"{fraction or '':0<9}"
            self.finer |= bool(digits[9:].strip("0"))
            self._note("day" if hour is None else "aware" if zone else "naive", row)
            return at, int(digits[:9])
        except (ValueError, OverflowError):
            self._fail(f"{cell!r} is not a timestamp", row, _ADVICE)

    def _basic(self, cell: str, row: int) -> tuple[int, int]:
        """The other forms of ISO 8601, such as ``20240501T201500`` or ``2024-W18-3``."""
        if re.search(r"[.,]\d{7}", cell):  # Python would cut it off without a word
            raise ValueError
        moment = datetime.fromisoformat(cell)
        self._note("day" if len(cell) <= len("2024-W18-3") else "aware" if moment.tzinfo else "naive", row)
        passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return passed.days * 86_400 + passed.seconds, passed.microseconds * 1000

    def _note(self, kind: str, row: int) -> None:
        rows = self.kinds[kind]
        rows.count += 1
        if rows.count <= NAMED:
            rows.first.append(row)

    def _date_note(self, odd: list[str]) -> str:
        days, naive, aware = (self.kinds[kind] for kind in ("day", "naive", "aware"))
        if days.count and (naive.count or aware.count):
            odd.append(self._odd(days, "dates without a time of day among times, taken as the day's beginning"))
        if naive.count and aware.count:
            odd.append(self._odd(naive, "times without a zone among times with one, taken as UTC"))
        return "dates with their time zones" if aware.count else "dates and times in UTC" if naive.count else "days"

    def _compact(self, whole: np.ndarray, nano: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        """Seconds since 1970 where so many numbers read as dates without separators that these are meant, ``None``
        elsewhere."""
        if self.unit or nano.any():
            return None
        for form, digits in COMPACT.items():
            plausible = readable(whole, digits)
            if plausible.mean() < COMPACT_SHARE:
                continue
            if not plausible.all():
                place = int(np.argmin(plausible))
                what = f"{whole[place]} stands among dates such as {whole[np.argmax(plausible)]}"
                self._fail(what, int(rows[place]), _ONE_NOTATION)
            values, places = np.unique(whole, return_inverse=True)
            seconds = []
            for number, value in enumerate(values.tolist()):
                try:
                    seconds.append(int(datetime.strptime(f"{value}+0000", f"{form}%z").timestamp()))
                except ValueError:
                    self._fail(f"{value} is not a date", int(rows[np.argmax(places == number)]), _ADVICE)
            return np.array(seconds, np.int64)[places]
        return None

    def _unit(self, whole: np.ndarray, rows: np.ndarray, odd: list[str], *, days: bool) -> tuple[Unit, str]:
        """``days``: whether they may be whole days."""
        size = np.abs(whole)
        of = {unit: (size >= EPOCH[0] * per) & (size < EPOCH[1] * per) for unit, per in PER_SECOND.items()}
        found = sorted((unit for unit in of if of[unit].any()), key=lambda unit: -int(of[unit].sum()))
        unit = self.unit or (found[0] if found else None)
        if unit is None:
            return "s", PLAIN
        if len(found) > 1 and not self.unit:
            these, those, other = of[unit], of[found[1]], UNITS[found[1]]
            raise StudioError(
                f"the times mix units: {whole[np.argmax(these)]} ({self._named(rows[these][:1])}) is"
                f" {UNITS[unit]} since 1970, {whole[np.argmax(those)]} ({self._named(rows[those])}) {other}",
                where=f"{self.where}{self.column}",
                remedy=f"{_ONE_NOTATION}; if it is one, name the column after its unit, e.g. timestamp_ms",
            )
        if unit in found:
            early = ~of[unit] & (whole < EPOCH[0] * PER_SECOND[unit])
            for places, when in ((early, "before 1973"), (~early & ~of[unit], "after 2286")):
                if places.any():
                    first = rows[places][:NAMED].tolist()
                    odd.append(self._odd(_OddRows(int(places.sum()), first), f"times {when}"))
        days = days and unit == "s" and not (whole % 86_400).any()
        return unit, f"{'whole days in ' if days else ''}{UNITS[unit]} since 1970"

    def _odd(self, rows: _OddRows, what: str) -> str:
        what = re.sub(r"^(time|date)s\b", r"\1", what) if rows.count == 1 else what
        return f"{rows.count:,} {what} ({self._named(rows.first, rows.count)})"

    def _named(self, rows: Sequence[int] | np.ndarray, count: int | None = None) -> str:
        """``"line 3"``, ``"lines 3, 4, 5 and 7 more"``; rows where lines are not known."""
        shown = [str(self.line(int(row)) if self.line else int(row) + 1) for row in rows[:NAMED]]
        total = len(rows) if count is None else count
        more = f" and {total - len(shown):,} more" if total > len(shown) else ""
        return f"{'line' if self.line else 'row'}{'s' * (total > 1)} {', '.join(shown)}{more}"

    def _fail(self, what: str, row: int, remedy: str) -> NoReturn:
        raise StudioError(what, where=f"{self.where}, {self._named([row])}{self.column}", remedy=remedy)


def _seconds(whole: np.ndarray) -> ParsedTimestamps | None:
    """Where all are seconds since 1970 and nothing else can be meant, as in most logs."""
    if not len(whole) or whole.min() < EPOCH[0] or whole.max() >= EPOCH[1]:
        return None
    days = not (whole[:1000] % 86_400).any() and not (whole % 86_400).any()
    return ParsedTimestamps(whole, "s", f"{'whole days in ' if days else ''}seconds since 1970{span(whole, 1)}")


def _exact(whole: np.ndarray, nano: np.ndarray, per_second: int) -> tuple[np.ndarray | None, Unit, bool]:
    """Times from numbers of a unit and billionths of it, in the coarsest unit that loses nothing, and this unit;
    ``None`` where nanoseconds would not fit. Third, whether something below a nanosecond was lost all the same."""
    seconds, rest = np.divmod(whole, per_second)
    nanos, cut = np.divmod(rest * _NANO + nano, per_second)
    unit = next(unit for unit, per in PER_SECOND.items() if unit == "ns" or not (nanos % (_NANO // per)).any())
    per = PER_SECOND[unit]
    parts = nanos // (_NANO // per)
    for edge in {int(seconds.min()), int(seconds.max())}:
        ends = parts[seconds == edge]
        if edge * per + int(ends.min()) <= NONE or edge * per + int(ends.max()) >= 2**63:
            return None, unit, False
    return seconds * per + parts, unit, bool(cut.any())
