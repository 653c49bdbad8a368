"""Times, sizes and figures the way people read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.labels import plural
from jobs.records import now as time_now

LONGEST_NUMBER = 9
"""Digits of a number that an address names."""
STATES = {
    "queued": "Queued",
    "starting": "Starting",
    "running": "Running",
    "cancelling": "Cancelling",
    "pausing": "Pausing",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "interrupted": "Interrupted",
    "validated": "Validated",
    "pruned": "Pruned",
}


def duration(seconds: float | None) -> str:
    """``4 s``, ``2 min 05 s``, ``1 h 20 min``; a dash for None."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if seconds < 10 and whole != seconds:
        return f"{max(seconds, 0):.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def about(seconds: float) -> str:
    """An estimate says no more than it knows: ``a few seconds``, ``about 4 min``."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds / 10) * 10} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """``just now``, ``5 min ago``, ``3 h ago``, ``2 days ago``, then the date."""
    seconds = ((now or time_now()) - moment).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 86400:
        return f"{round(seconds / 3600)} h ago"
    if seconds < 7 * 86400:
        days = round(seconds / 86400)
        return f"{plural(days, 'day')} ago"
    return moment.strftime("%d %b %Y")


def clock(moment: datetime | None) -> str:
    """Date and time in the machine's own zone; a dash for None."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "–"


def memory(megabytes: float | None) -> str:
    """``512 MB`` or ``2.1 GB`` (powers of ten); a dash for None."""
    if megabytes is None:
        return "–"
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def expected_search(trials: int, seconds: float | None, megabytes: float | None) -> str:
    """What a search takes."""
    whole = f"{plural(trials, 'trial')} at most"
    if seconds is None:
        return f"{whole}; how long they take is known once a run like them was done on this machine"
    return f"{whole}: up to {duration(seconds)}; at most {memory(megabytes)}"


def setting_value(value: Any) -> str:
    """What a setting says, for readers."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "empty" if value is None else str(value)


def number_in_address(text: str, most: int) -> int:
    """A number from 1 to ``most`` that somebody may have typed into an address; 1 for what is none."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER else 1
    return min(max(1, number), most)
