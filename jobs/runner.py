"""Does the work of one run in this process and writes down how it ended."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from db import lifecycle, results, runs
from db.runs import RunState
from db.store import DatabaseUnreachable, writing
from engine.config import RunConfig
from engine.errors import Cancelled, StudioError
from engine.folder_monitor import FolderMonitor
from engine.monitor import Monitor, MonitorGroup
from engine.run_folder import RunFolder
from engine.settings import stored_config
from jobs import failures, process, process_group, trackers
from jobs.monitor import DatabaseMonitor
from jobs.retrying import retry
from jobs.trials import TrialMonitor, monitor_of

Recipe = Callable[[RunConfig, Path, Monitor], dict[str, Any]]
"""Runs a configuration in a folder, resuming what is there; returns the object of ``metrics.json``."""
SAVE_SECONDS = 600.0
"""What is done is worth waiting for so long, if the database is out of reach …"""
END_SECONDS = 3.0
"""… and the reason why it is not, for so long: who looks next finds the process dead."""

logger = logging.getLogger(__name__)


def execute(
    run_id: str,
    monitor: DatabaseMonitor,
    *,
    others: Sequence[Monitor] = (),
    recipe: Recipe | None = None,
    processes: int | None = None,
) -> dict[str, Any]:
    """Bring a claimed run to its end; results and state ``done`` appear together or not at all.

    Args:
        recipe: :func:`engine.pipeline.run_pipeline` unless a test brings a quicker one.
        processes: how many work on it, instead of ``run.processes``.

    Raises:
        Cancelled: the run was asked to stop; it is ``cancelled``, or ``interrupted`` if nobody cancelled it. Or it is a
            trial, which has gone as far as its search needs (:mod:`jobs.trials`).
        Exception: whatever the recipe raised; the run is ``failed`` with a reason, the log has the trace.
    """
    run = runs.get(run_id)
    trial: TrialMonitor | None = None
    try:
        if not lifecycle.begin(run_id, process.owner()):
            raise Cancelled
        config = stored_config(run.config)
        trial = monitor_of(run_id)
        with process.marked(run_id), monitor, contextlib.ExitStack() as stack:
            tracked = [stack.enter_context(tracker) for tracker in trackers.monitors(run_id)]
            work = recipe or _pipeline()
            with process_group.working(
                config, run.folder, processes or config.run.processes, partial(_give_up, run_id)
            ):
                stops = [trial] if trial is not None else []
                report = work(config, run.folder, MonitorGroup([monitor, *stops, *tracked, *others]))
    except (Cancelled, KeyboardInterrupt):
        if trial is not None and trial.outcome is not None:
            _end(run_id, trial.outcome, trial.reason, None)
            raise Cancelled(f"a trial of {trial.experiment.name!r}: {trial.outcome}") from None
        _written(lambda: lifecycle.stop(run_id, error="stopped before its end", remedy=failures.CHECKPOINT))
        raise
    except Exception as error:
        _log(run.folder, error)
        _end(run_id, "failed", *failures.explain(error))
        raise
    try:
        retry(lambda: _save(run_id, report), SAVE_SECONDS, monitor.should_stop)
    except DatabaseUnreachable as error:
        remedy = f"mend that, then: delrec resume {run_id}; nothing is computed again"
        raise StudioError(f"the run is done but not recorded: {error.what}", where=error.where, remedy=remedy) from None
    return report


def _save(run_id: str, report: dict[str, Any]) -> None:
    with writing() as session:
        results.save(run_id, report, session)
        lifecycle.end(run_id, "done", session)


def _give_up(run_id: str, reason: str, remedy: str) -> None:
    """Before this process is ended from another thread."""
    print(f"{reason} — {remedy}", file=sys.stderr, flush=True)  # noqa: T201 - the last word in a shell
    _end(run_id, "failed", reason, remedy)


def _end(run_id: str, state: RunState, reason: str | None, remedy: str | None) -> None:
    _written(lambda: lifecycle.finish(run_id, state, error=reason, remedy=remedy))


def _written(finish: Callable[[], bool]) -> None:
    """Write down that a run has not come to its end; why is not hidden by a database out of reach."""
    try:
        retry(finish, END_SECONDS)
    except DatabaseUnreachable as error:
        logger.warning("how the run ended is not recorded: %s", error)


def _pipeline() -> Recipe:
    from engine.pipeline import run_pipeline  # torch and the models load here, not where pages wait

    return run_pipeline


def _log(folder: Path, error: Exception) -> None:
    with contextlib.suppress(OSError):  # the disk may be full
        folder.mkdir(parents=True, exist_ok=True)
        log = FolderMonitor(RunFolder(folder))
        for line in "".join(traceback.format_exception(error)).splitlines():
            log.message(line)
