"""The time that is written into the database: by one clock, whatever the clocks of the machines say."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from db.store import database

ASK_SECONDS = 60.0
"""The server is asked for its time so often; in between a clock that nobody sets counts on."""

_asked: dict[Engine, tuple[datetime, float]] = {}
_asking = threading.Lock()


def now() -> datetime:
    """The time (UTC) by the clock of the database's server; with SQLite that is this machine."""
    engine = database()
    if engine.dialect.name == "sqlite":
        return datetime.now(UTC)
    with _asking:
        offset, at = _asked.get(engine, (None, 0.0))
        passed = _steady() - at
        if offset is None or passed >= ASK_SECONDS:
            with engine.connect() as connection:
                offset, at, passed = connection.execute(select(func.clock_timestamp())).scalar_one(), _steady(), 0.0
            _asked[engine] = offset, at
        return offset.astimezone(UTC) + timedelta(seconds=passed)


def _steady() -> float:
    """Seconds that pass while the machine sleeps, too, where the system has such a clock."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)
