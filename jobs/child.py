"""The process that trains, started by :mod:`jobs.supervisor` with the run's id and its parent's number."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence

from engine.errors import Cancelled
from jobs import failures
from jobs.monitor import DatabaseMonitor
from jobs.process import end_with_parent
from jobs.retrying import retry
from jobs.runner import Recipe, execute
from jobs.settings import job_settings

START_SECONDS = 60.0
"""A database that is out of reach when the process starts is waited for so long."""


def main(arguments: Sequence[str], recipe: Recipe | None = None) -> int:
    """Work on a claimed run until it ends; returns 0 when done, 3 when stopped, else why it failed.

    SIGTERM and the death of the parent stop the run after a checkpoint. A test gives its own program that calls this
    with another ``recipe``; there is no setting for it.
    """
    run_id, parent = arguments
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    monitor = retry(lambda: DatabaseMonitor(run_id), START_SECONDS)
    signal.signal(signal.SIGTERM, lambda *_: monitor.request_stop())
    end_with_parent(int(parent), monitor.request_stop, job_settings().grace_seconds)
    try:
        execute(run_id, monitor, recipe=recipe)
    except Cancelled:
        return 3
    except Exception as error:  # written down by execute: reason in the database, trace in the log
        return failures.exit_status(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
