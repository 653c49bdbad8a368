"""What must be written down is tried again while the database is out of reach: locked, on a full disk, restarting."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from db.store import DatabaseUnreachable

PAUSE_SECONDS = 1.0
Outcome = TypeVar("Outcome")

logger = logging.getLogger(__name__)


def retry(write: Callable[[], Outcome], seconds: float, give_up: Callable[[], bool] = lambda: False) -> Outcome:
    """What ``write`` returns, once it could be done.

    Raises:
        DatabaseUnreachable: it could not for ``seconds``, or until ``give_up``.
    """
    deadline = time.monotonic() + seconds
    logged = False
    while True:
        try:
            return write()
        except DatabaseUnreachable as error:
            if time.monotonic() >= deadline or give_up():
                raise
            if not logged:
                logger.warning("waiting to write down how a run ended: %s", error)
                logged = True
        time.sleep(PAUSE_SECONDS)
