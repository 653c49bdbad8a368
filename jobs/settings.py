"""Where the queue is and how patient the supervisor is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from db import address
from engine.errors import StudioError
from engine.paths import home

HEARTBEAT_SECONDS = 1.0
"""Whoever works on something says so that often; a run writes its progress then."""
STALE_SECONDS = 20.0
"""What is worked on on another machine is given up after so long without a sign of life …"""
CONFIRM_SECONDS = 3.0
"""… by the clock, and as long as this by waiting: a clock may be set."""
FLAG_SECONDS = 2.0
"""A run that was asked to stop may notice by itself for so long, then it gets SIGTERM."""
RECOVER_SECONDS = 5.0
"""The worker looks for lost runs so often."""

IMPORT_MB, IMPORT_SECONDS = "DELREC_IMPORT_MB", "DELREC_IMPORT_SECONDS"
AT_ONCE, MOST_AT_ONCE = "DELREC_RUNS_AT_ONCE", 64
TRACKERS = "DELREC_TRACKERS"
QUEUE = "DELREC_QUEUE_URL"


@dataclass(frozen=True)
class JobSettings:
    """Settings from the environment."""

    queue: Path | str
    """An SQLite file, or the address of a server: ``DELREC_QUEUE_URL`` (sqlite:///path, redis://… or postgresql://…),
    or ``queue.db`` in the data folder."""
    grace_seconds: float
    """``DELREC_STOP_GRACE``: a run that was asked to stop may take so long to write its checkpoint, then is killed."""
    at_once: int
    """``DELREC_RUNS_AT_ONCE``: so many runs may be at work in one worker, each with its share of the cores."""


def job_settings() -> JobSettings:
    """Read the settings.

    Raises:
        StudioError: DELREC_STOP_GRACE or DELREC_RUNS_AT_ONCE is not a positive number, or DELREC_QUEUE_URL
            SQLite's and of no file.
    """
    queue: Path | str = os.environ.get(QUEUE) or home() / "queue.db"
    if isinstance(queue, str) and queue.startswith("sqlite:"):
        queue = Path(address.given(queue, QUEUE).database or "")
    grace = _number("DELREC_STOP_GRACE", "15", 3600, "a duration", "write seconds, e.g. 15")
    at_once = _number(AT_ONCE, "1", MOST_AT_ONCE + 1, "a number of runs", f"write 1 to {MOST_AT_ONCE}", kind=int)
    return JobSettings(queue, grace, int(at_once))


def import_limits() -> tuple[float, float]:
    """Bytes that a visitor may send at a time (``DELREC_IMPORT_MB``), and seconds that reading them may take
    (``DELREC_IMPORT_SECONDS``).

    Raises:
        StudioError: one is not a positive number.
    """
    megabytes = _number(IMPORT_MB, "512", 1e6, "a size", "write megabytes, e.g. 512")
    return megabytes * 1e6, _number(IMPORT_SECONDS, "600", 86400, "a duration", "write seconds, e.g. 600")


def _number(
    name: str, default: str, below: float, what: str, remedy: str, kind: Callable[[str], float] = float
) -> float:
    given = os.environ.get(name, default)
    try:
        number = kind(given)
    except ValueError:
        number = 0.0
    if not 0 < number < below:
        raise StudioError(f"{given!r} is not {what}", where=name, remedy=remedy)
    return number


def tracker_names() -> tuple[str, ...]:
    """``DELREC_TRACKERS``: where curves go beside the database, e.g. ``tensorboard,wandb``; nowhere by default."""
    given = os.environ.get(TRACKERS, "").lower().split(",")
    return tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
