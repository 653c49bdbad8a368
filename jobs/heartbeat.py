"""Signs of life. Processes of other machines cannot be looked at; all that tells is what they write every second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from db import clock
from engine.errors import StudioError
from jobs.settings import CONFIRM_SECONDS, HEARTBEAT_SECONDS, STALE_SECONDS

logger = logging.getLogger(__name__)


def silent(last: datetime | None) -> bool:
    """Whether a last sign of life looks too old, or comes from the future.

    It looks so, too, for a moment after the clock was set: whoever acts upon it waits with :func:`confirm`, and acts
    only if there was no further sign meanwhile.
    """
    return last is None or abs((clock.now() - last).total_seconds()) >= STALE_SECONDS


def confirm() -> None:
    """Wait so long that whoever lives has given another sign."""
    time.sleep(CONFIRM_SECONDS)


class WriteFault:
    """A database that is out of reach, told when that begins and when it ends, not every second."""

    def __init__(self, what: str) -> None:
        self.what, self.lasts = what, False

    @contextmanager
    def logged_once(self) -> Iterator[None]:
        """Goes on after a fault of the database in its body."""
        try:
            yield
        except (SQLAlchemyError, StudioError) as error:
            if not self.lasts:
                logger.warning("%s: %s", self.what, error)
            self.lasts = True
        else:
            if self.lasts:
                logger.warning("%s: no longer", self.what)
            self.lasts = False


@contextmanager
def given(beat: Callable[[], bool]) -> Iterator[None]:
    """Call ``beat`` every second, until it says ``False``, from a thread of its own.

    A database that is out of reach for a while costs nothing.
    """
    ending = threading.Event()

    def keep() -> None:
        writing, fault = True, WriteFault("signs of life are not written")
        while writing and not ending.wait(HEARTBEAT_SECONDS):
            with fault.logged_once():
                writing = beat()

    thread = threading.Thread(target=keep, name="signs-of-life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
