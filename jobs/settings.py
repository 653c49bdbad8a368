"""Where the queue is and how patient the supervisor is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from db import address
from engine.environment import cores, gpu_count
from engine.errors import StudioError
from engine.paths import home
from engine.variables import number

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
QUEUE = "DELREC_QUEUE_URL"
SERVERS = {"redis": "redis", "rediss": "redis", "postgres": "postgresql", "postgresql": "postgresql"}
"""What holds the queue, by how its address begins."""


@dataclass(frozen=True)
class JobSettings:
    """Settings from the environment."""

    queue: Path | str
    """An SQLite file, or the address of a server: ``DELREC_QUEUE_URL`` (sqlite:///path, redis://… or postgresql://…),
    or ``queue.db`` in the data folder."""
    grace_seconds: float
    """``DELREC_STOP_GRACE``: a run that was asked to stop may take so long to write its checkpoint, then is killed."""
    at_once: int
    """``DELREC_RUNS_AT_ONCE``: so many runs may be at work in one worker; without it two, but one where there is a
    GPU, whose memory is not looked at, or a single core."""


def job_settings() -> JobSettings:
    """Read the settings.

    Raises:
        StudioError: DELREC_STOP_GRACE or DELREC_RUNS_AT_ONCE is not a positive number, or DELREC_QUEUE_URL no address
            of a queue.
    """
    queue: Path | str = os.environ.get(QUEUE) or home() / "queue.db"
    if isinstance(queue, str) and queue.startswith("sqlite:"):
        queue = Path(address.given(queue, QUEUE).database or "")
    elif isinstance(queue, str) and (kind := queue.partition(":")[0]) not in SERVERS:
        remedy = "write sqlite:////path/queue.db, redis://host:6379/0 or postgresql://user@host/name"
        raise StudioError(f"cannot queue on {kind}", where=QUEUE, remedy=remedy)
    grace = number("DELREC_STOP_GRACE", "15", 3600, "a duration", "write seconds, e.g. 15")
    usual = "1" if gpu_count() or cores() == 1 else "2"
    at_once = number(AT_ONCE, usual, MOST_AT_ONCE, "a number of runs", f"write 1 to {MOST_AT_ONCE}", kind=int)
    return JobSettings(queue, grace, int(at_once))


def import_limits() -> tuple[float, float]:
    """Bytes that a visitor may send at a time (``DELREC_IMPORT_MB``), and seconds that reading them may take
    (``DELREC_IMPORT_SECONDS``).

    Raises:
        StudioError: one is not a positive number.
    """
    megabytes = number(IMPORT_MB, "512", 1e6, "a size", "write megabytes, e.g. 512")
    return megabytes * 1e6, number(IMPORT_SECONDS, "600", 86400, "a duration", "write seconds, e.g. 600")
