"""Runs in the shell's own process, recorded like those of the queue."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from db import lifecycle, runs
from db.runs import Run
from engine.config import RunConfig
from engine.errors import StudioError
from engine.locations import settled
from engine.monitor import Monitor
from engine.paths import home, writable
from engine.settings import stored_config
from jobs import failures, process, process_group, resources
from jobs.monitor import DatabaseMonitor
from jobs.runner import Recipe, execute

STOPPING = "Stopping at the next step, with a checkpoint; Ctrl-C again stops at once."


def run(
    config: RunConfig,
    preset: str | None = None,
    name: str | None = None,
    monitor: Monitor | None = None,
    recipe: Recipe | None = None,
) -> dict[str, Any]:
    """Run here and now, recorded like a launched run; returns the object of ``metrics.json``.

    ``monitor`` shows the progress. The first Ctrl-C stops after a checkpoint, the second at once; the page's
    Cancel works too.

    Raises:
        Cancelled: the run was stopped; :func:`jobs.api.resume` continues it.
        StudioError: bad input, or the run failed in a way that is told in one line.
    """
    _check_here(config)
    writable(home() / "runs")
    values = settled(config).model_dump(mode="json")
    created = runs.create(
        name, values, preset=preset, state="starting", stem=name_stem(config, preset), owner=process.owner()
    )
    return _execute(created.id, monitor, recipe)


def resume(
    stopped: Run, monitor: Monitor | None, recipe: Recipe | None = None, processes: int | None = None
) -> dict[str, Any]:
    """See :func:`jobs.api.resume_in_foreground`."""
    if stopped.resumable:
        _check_here(stored_config(stopped.config), processes)
    if not lifecycle.take_over(stopped.id, process.owner()):
        raise not_resumable(runs.get(stopped.id))
    return _execute(stopped.id, monitor, recipe, processes)


def name_stem(config: RunConfig, preset: str | None) -> str:
    """What a run without a name is called, but for its number."""
    return f"{preset or 'run'}-{config.teacher.name}"


def not_resumable(found: Run) -> StudioError:
    """Why a run cannot be resumed."""
    remedy = "clone or retry it" if found.state == "done" else "wait for it or cancel it"
    return StudioError(f"run {found.name!r} cannot be resumed, it is {found.state}", where=found.id, remedy=remedy)


def _check_here(config: RunConfig, processes: int | None = None) -> None:
    """Raise :class:`StudioError` where this machine lacks what the run asks for, while nothing of it is recorded."""
    launched, asked = process_group.launched(), processes or config.run.processes
    count = 1 if launched > 1 else asked  # a launcher knows its machines
    resources.refuse_here(resources.needs(config, count))
    own = {config.llm.device, config.teacher.device} - {"auto", "cpu"}
    if config.run.device == "gpu" or config.run.placement != "whole" or own:
        from engine.devices import check_machine  # whether PyTorch can use a GPU takes seconds to say

        check_machine(config, max(launched, asked))


def _execute(
    run_id: str, monitor: Monitor | None, recipe: Recipe | None, processes: int | None = None
) -> dict[str, Any]:
    recorder = DatabaseMonitor(run_id)
    try:
        with _stopped_by_signals(recorder, monitor or Monitor()):
            shown = [monitor] if monitor else []
            return execute(run_id, recorder, others=shown, recipe=recipe, processes=processes)
    except Exception as error:
        message = failures.known(error, f"go on with: delrec resume {run_id}")
        if message is None or message is error:
            raise
        where = message.where or str(runs.run_folder(run_id))
        raise StudioError(message.what, where=where, remedy=message.remedy) from error


@contextmanager
def _stopped_by_signals(recorder: DatabaseMonitor, monitor: Monitor) -> Iterator[None]:
    """Ctrl-C cancels after a checkpoint, a second one at once; SIGTERM and a closed terminal interrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def cancel(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        recorder.request_cancel()
        # In a thread: the signal may have come while this very thread was writing to the terminal.
        threading.Thread(target=monitor.message, args=(STOPPING,)).start()

    handlers = {signal.SIGINT: cancel, signal.SIGTERM: lambda *_: recorder.request_stop()}
    handlers[signal.SIGHUP] = handlers[signal.SIGTERM]
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
