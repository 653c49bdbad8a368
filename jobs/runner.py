"""Does the work of one run in this process and writes down how it ended."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from db import lifecycle, results, runs
from db.store import writing
from engine.config import RunConfig
from engine.errors import Cancelled
from engine.monitor import Monitor, MonitorGroup
from engine.run_folder import FolderMonitor, RunFolder
from engine.settings import make_config
from jobs import failures, process, trackers
from jobs.monitor import DatabaseMonitor

Recipe = Callable[[RunConfig, Path, Monitor], dict[str, Any]]
"""Runs a configuration in a folder, resuming what is there; returns the object of ``metrics.json``."""


def execute(
    run_id: str, monitor: DatabaseMonitor, *, others: Sequence[Monitor] = (), recipe: Recipe | None = None
) -> dict[str, Any]:
    """Bring a claimed run to its end; results and state ``done`` appear together or not at all.

    ``recipe`` is :func:`engine.pipeline.run_pipeline` unless a test brings a quicker one.

    Raises:
        Cancelled: the run was asked to stop; it is ``cancelled``, or ``interrupted`` if nobody cancelled it.
        Exception: whatever the recipe raised; the run is ``failed`` with a reason, the log has the trace.
    """
    run = runs.get(run_id)
    try:
        if not lifecycle.begin(run_id, process.owner()):
            raise Cancelled
        with process.marked(run_id), monitor, contextlib.ExitStack() as stack:
            tracked = [stack.enter_context(tracker) for tracker in trackers.monitors(run_id)]
            work = recipe or _pipeline()
            report = work(make_config(run.config), run.folder, MonitorGroup([monitor, *tracked, *others]))
    except (Cancelled, KeyboardInterrupt):
        if lifecycle.cancel_requested(run_id):
            lifecycle.finish(run_id, "cancelled")
        else:
            lifecycle.finish(run_id, "interrupted", error="stopped before its end", remedy=failures.CHECKPOINT)
        raise
    except Exception as error:
        _log(run.folder, error)
        reason, remedy = failures.explain(error)
        lifecycle.finish(run_id, "failed", error=reason, remedy=remedy)
        raise
    with writing() as session:
        results.save(run_id, report, session)
        lifecycle.end(run_id, "done", session)
    return report


def _pipeline() -> Recipe:
    from engine.pipeline import run_pipeline  # torch and the models load here, not where pages wait

    return run_pipeline


def _log(folder: Path, error: Exception) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    log = FolderMonitor(RunFolder(folder))
    for line in "".join(traceback.format_exception(error)).splitlines():
        log.message(line)
