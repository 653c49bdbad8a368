"""A column of times has one notation and one unit, and keeps every fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.timestamps import NONE, PER_SECOND, ParsedTimestamps, TimestampColumn, Unit
from engine.errors import StudioError

BEGIN = datetime(2024, 5, 1, 10, 38, 20, tzinfo=UTC)


def decide(cells: Sequence[str], unit: Unit | None = None, batch: int = 100) -> ParsedTimestamps:
    """The moments of cells in lines 2, 3, …"""
    moments = TimestampColumn(unit, "log.csv", line=lambda row: row + 2)
    for start in range(0, len(cells), batch):
        moments.add(cells[start : start + batch])
    return moments.decide()


def refused(cells: Sequence[str], batch: int = 100) -> str:
    with pytest.raises(StudioError) as failure:
        decide(cells, batch=batch)
    return str(failure.value)


MILLISECONDS = [int(BEGIN.timestamp()) * 1000 + extra for extra in (259, 0, 185, 185, 999, 1001, -86_400_000)]


def _iso(moment: int, zone: timezone = UTC) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)).astimezone(zone).isoformat()


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (_iso, "dates with their time zones, from 2024-04-30 to 2024-05-01"),
        (lambda t: _iso(t).removesuffix("+00:00"), "dates and times in UTC"),
        (lambda t: _iso(t).replace("+00:00", "Z"), "dates"),
        (lambda t: _iso(t).replace("T", " ").replace("+00:00", " UTC"), "dates"),
        (lambda t: _iso(t).replace(".", ","), "dates"),
        (lambda t: _iso(t, timezone(timedelta(hours=5, minutes=30))), "dates"),
        (lambda t: _iso(t, timezone(timedelta(hours=-9))), "dates"),
        (lambda t: _iso(t, timezone(timedelta(hours=t % 23 - 11))), "dates"),
        (lambda t: _iso(t)[:23].ljust(23, "0") + "000000Z" if "." in _iso(t) else _iso(t), "dates"),
        (lambda t: _iso(t).replace("-", "/", 2), "dates"),
        (lambda t: f"{t}", "milliseconds since 1970"),
        (lambda t: f"{t}.0", "milliseconds"),
        (lambda t: f"{t}000", "microseconds"),
        (lambda t: f"{t}000000", "nanoseconds"),
        (lambda t: f"{t / 1000:.3f}", "seconds"),
        (lambda t: f"{t // 1000}.{t % 1000:03}000", "seconds"),
        (lambda t: f"{t}e-3", "seconds"),
        (lambda t: f"{t}E6", "nanoseconds"),
        (lambda t: f"+{t}", "milliseconds"),
    ],
)
def test_one_log_in_any_notation_gives_equal_moments(write: object, said: str) -> None:
    assert callable(write)
    moments = decide([write(moment) for moment in MILLISECONDS])
    assert (moments.values.tolist(), moments.unit) == (MILLISECONDS, "ms")
    assert moments.note.startswith(said)
    assert ";" not in moments.note, "nothing odd"


@given(
    st.lists(st.integers(10**8 * 10**9, 9 * 10**18), min_size=1, max_size=9),
    st.sampled_from([unit for unit in PER_SECOND if unit != "ns"]),
)
def test_numbers_and_dates_of_whatever_precision_agree(nanoseconds: list[int], coarsest: Unit) -> None:
    cut = 10**9 // PER_SECOND[coarsest]
    moments = [moment // cut * cut for moment in nanoseconds]
    numbers = decide([str(moment) for moment in moments])
    seconds = decide([f"{moment // 10**9}.{moment % 10**9:09}" for moment in moments])
    dates = decide(
        [
            f"{datetime.fromtimestamp(moment // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{moment % 10**9:09}+00:00"
            for moment in moments
        ]
    )
    assert numbers.unit == seconds.unit == dates.unit
    assert numbers.values.tolist() == seconds.values.tolist() == dates.values.tolist()
    per = PER_SECOND[numbers.unit]
    assert [value * (10**9 // per) for value in numbers.values.tolist()] == moments


@given(
    st.lists(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), min_size=1, max_size=6),
    st.sampled_from(["", "T", " "]),
    st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
    st.sampled_from(["", "Z", "+00:00"]),
)
def test_dates_read_together_are_dates_read_one_by_one(
    moments: list[datetime], between: str, precision: str, zone: str
) -> None:
    cells = [moment.isoformat(between, precision) + zone if between else f"{moment:%Y-%m-%d}" for moment in moments]
    cells = [cell.rjust(10, "0") if not between else cell for cell in cells]
    together = decide(cells)
    assert (together.values.tolist(), together.note) == (
        (one_by_one := decide(cells, batch=1)).values.tolist(),
        one_by_one.note,
    )
    others = decide([*cells, "2024-W01-1"])  # a form that is read by itself makes all be read so
    assert together.unit == others.unit
    assert together.values.tolist() == others.values.tolist()[:-1]


@pytest.mark.parametrize(
    ("cells", "values", "said"),
    [
        (["978300760.0", "1.4e9", "978302109"], [978300760, 1400000000, 978302109], "since 1970, from 2000-12-31 to"),
        (["3", "1", "2"], [3, 1, 2], "plain numbers"),
        (["0.5", "0.25"], [500, 250], "plain numbers"),
        (["1995", "2024", "1999"], [1995, 2024, 1999], "plain numbers"),
        (["20240501", "20231231"], [1714521600, 1703980800], "without separators, from 2023-12-31 to 2024-05-01"),
        (["202405011015", "202312312359"], [1714558500, 1704067140], "without separators"),
        (["20240501101530", "20231231235959"], [1714558530, 1704067199], "without separators"),
        (["20240501T101530Z", "20240501T121529+0200"], [1714558530, 1714558529], "dates"),
        (["2024-05-01", "2024-W18-2"], [1714521600, 1714435200], "days, from 2024-04-30 to 2024-05-01"),
        (["0001-01-01", "9999-12-31"], [-62135596800, 253402214400], "days"),
        (["1714521600", "1714608000.0"], [1714521600, 1714608000], "whole days in seconds"),
        (["-315619200", "-157766400", "978300760"], [-315619200, -157766400, 978300760], "seconds"),
    ],
)  # fmt: skip
def test_what_is_taken_is_said(cells: list[str], values: list[int], said: str) -> None:
    moments = decide(cells)
    assert moments.values.tolist() == values
    assert said in moments.note


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["1714600000", "1714700000", "1714500000000"], ["1714600000 (line 2) is", "1714500000000 (line 4) milli"]),
        (["1714500000000", "1714500000000000", "1714500000000"], ["milliseconds", "1714500000000000 (line 3) micro"]),
        (["1714500000.5", "1714500000000.5"], ["mix units", "line 3"]),
        (["1714500000"] + ["1714500000000"] * 9, ["1714500000 (line 2) seconds"]),
        (["1714500000000"] * 9 + ["1714500000"] * 8, ["lines 11, 12, 13 and 5 more"]),
        (["2024-05-01", "1999"], ["'1999' is a number among dates such as '2024-05-01' (line 2)", "line 3"]),
        (["2024-05-01", "2024-05-02", "20240501"], ["'20240501' is a number among dates", "line 4"]),
        (["1714600000", "2024-05-01"], ["is a date among numbers such as '1714600000' (line 2)", "line 3"]),
        (["20240501", "20240502", "2024"], ["2024 stands among dates such as 20240501", "line 4"]),
        (["20240501", "20240502", "1714600000"], ["1714600000 stands among dates", "line 4"]),
        (["2024", "2023", "20240501"], ["2024 stands among dates such as 20240501", "line 2"]),
        (["1714600000", "1714600001", "1714600002", "20240501"], ["1714600000 stands among dates", "line 2"]),
        (["20240501", "20240231"], ["20240231 is not a date", "line 3"]),
        (["01/05/2024"], ["'01/05/2024' is not a timestamp", "line 2"]),
        (["2024-13-01"], ["not a timestamp"]),
        (["2024-02-30"], ["not a timestamp"]),
        (["2024-05-01 25:00:00"], ["not a timestamp"]),
        (["2024-05-01T10:00:00+25:00"], ["not a timestamp"]),
        (["20240501T101530.1234567"], ["not a timestamp"]),
        (["", "5", "nan", "yesterday"], ["'yesterday' is not a timestamp", "line 5"]),
        (["inf"], ["not a timestamp"]),
        (["1_000"], ["not a timestamp"]),
        (["1714600000", "9" * 19], ["too large", "line 3"]),
        (["1e99"], ["too large", "line 2"]),
        (["2500-01-01T00:00:00.123456789"], ["nanosecond", "before 1678 or after 2262"]),
    ],
)  # fmt: skip
def test_mixed_and_unusable_times_are_refused_with_their_lines(cells: list[str], told: list[str]) -> None:
    message = refused(cells)
    assert all(part in message for part in told), message


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["1714600000", "0", "-1", "1714600001"], "2 times before 1973 (lines 3, 4)"),
        (["1714600000", "1714600001", "99999999999"], "1 time after 2286 (line 4)"),
        (
            ["2024-05-01T10:00:00", "2024-05-01"],
            "1 date without a time of day among times",
        ),
        (
            ["2024-05-01T10:00:00Z", "2024-05-01T10:00:00"],
            "1 time without a zone among times with one",
        ),
        (["1714600000.0000000001", "1714600000.0000000002"], "digits below a nanosecond are cut off"),
        (["2024-05-01T10:00:00.0000000001"], "digits below a nanosecond are cut off"),
        (["1714600000000.0000001"], "digits below a nanosecond are cut off"),
    ],
)
def test_odd_times_are_taken_with_a_word(cells: list[str], told: str) -> None:
    moments = decide(cells)
    assert len(moments.values) == len(cells)
    assert told in moments.note


@pytest.mark.parametrize("fraction", [".25", ".000000001"])
def test_fractions_of_a_second_are_no_whole_days(fraction: str) -> None:
    assert decide([f"1714521600{fraction}", "1714608000"]).note.startswith("seconds since 1970, from 2024-05-01")


def test_a_unit_that_the_file_names_is_not_guessed() -> None:
    moments = decide(["5", "1714600000", "1714600000500"], unit="ms")
    assert (moments.values.tolist(), moments.unit) == ([5, 1714600000, 1714600000500], "ms")
    assert "milliseconds" in moments.note


@pytest.mark.parametrize("missing", ["", "nan", "None", "NULL", "NaT", "\\N", " "])
def test_missing_times_stay_missing_and_change_nothing_else(missing: str) -> None:
    for cells in (["1714600000.5", "1714500000"], ["2024-05-01T21:46:40.5", "2024-04-30T18:00:00"], ["3", "1"]):
        whole = decide(cells)
        moments = decide([missing, cells[0], missing, cells[1]])
        assert (moments.values[[1, 3]].tolist(), moments.unit) == (whole.values.tolist(), whole.unit)
        assert moments.values[[0, 2]].tolist() == [NONE, NONE]
    assert "line 5" in refused([missing, "1714600000", missing, "2024-05-01"])
    assert "line 4" in refused([missing, "1714600000", "1714600000000", "1714600001"])


def test_batches_change_nothing() -> None:
    cells = ["1714600000", "1714600001", "1714600002.5", "1714600003", "1714600004"]
    whole = decide(cells).values.tolist()
    for batch in (1, 2, 3):
        assert decide(cells, batch=batch).values.tolist() == whole
        assert "line 4" in refused(["2024-05-01", "2024-05-02", "3", "4"], batch)
        assert "line 5" in refused(["1", "2", "3", "2024-05-01"], batch)


def test_numbers_and_the_order_of_rows_are_taken_too() -> None:
    numbers = TimestampColumn()
    numbers.add(np.array([1714600000500, 1714600000000]))
    numbers.add(["1714600000250"])
    decided = numbers.decide()
    assert (decided.values.tolist(), decided.unit) == ([1714600000500, 1714600000000, 1714600000250], "ms")
    order = TimestampColumn()
    order.add(2)
    order.add(1)
    decided = order.decide()
    assert decided.values.tolist() == [0, 1, 2]
    assert "order of the rows" in decided.note


def test_no_times_are_no_fault() -> None:
    assert decide([]).values.tolist() == []
    assert decide(["", "nan"]).values.tolist() == [NONE, NONE]
