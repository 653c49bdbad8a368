"""What pages, shell and machines call. Runs are named by id or by name wherever ``reference`` stands.

Importing this module is cheap: nothing here loads torch or a model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from db import lifecycle
from db import metrics as curve_store
from db import results as result_store
from db import runs as run_store
from db import stages as stage_store
from db.explanations import Explanation
from db.metrics import Point
from db.runs import JUDGED, Run, RunOrigin, RunState
from db.stages import Stage
from db.store import DatabaseUnreachable
from db.workers import Worker
from engine.config import RunConfig
from engine.errors import StudioError
from engine.locations import settled
from engine.monitor import Monitor
from engine.paths import home, writable
from engine.run_folder import RunFolder
from engine.settings import stored_config
from jobs import answers, archive, foreground, queues, recovery, resources
from jobs import workers as worker_records
from jobs.resources import Resources
from jobs.trials import refuse_trial

LOG_BYTES = 256 * 1024


def launch(
    config: RunConfig,
    preset: str | None = None,
    name: str | None = None,
    *,
    origin: RunOrigin = "new",
    parent_id: str | None = None,
) -> str:
    """Queue a run and return its id; :func:`queue_position` says how many go first.

    ``preset`` is noted where the configuration came from one. Without a name it is called ``<preset>-<teacher>-<n>``.

    Raises:
        StudioError: the name is taken or unusable; data folder, database or queue cannot be used.
    """
    writable(home() / "runs")
    config = settled(config)
    values = config.model_dump(mode="json")
    run = run_store.create(
        name, values, preset=preset, origin=origin, parent_id=parent_id, stem=foreground.name_stem(config, preset)
    )
    try:
        queues.training().add(run.id)
    except StudioError:
        delete(run.id)
        raise
    return run.id


run_in_foreground = foreground.run


def resume_in_foreground(
    reference: str, monitor: Monitor | None = None, processes: int | None = None
) -> dict[str, Any]:
    """Continue a failed, cancelled or interrupted run here and now; like :func:`run_in_foreground`.

    ``processes``: how many work on it from now on, instead of ``run.processes``.
    """
    run = status(reference)
    if run.state in JUDGED:
        refuse_trial(run)
    return foreground.resume(run, monitor, processes=processes)


def cancel(reference: str) -> RunState:
    """Ask a run to stop; it keeps a checkpoint. Returns ``cancelled`` (was queued) or ``cancelling``.

    Raises:
        StudioError: no such run, or it has ended already.
    """
    run = status(reference)
    state = lifecycle.request_cancel(run.id)
    if state is None:
        raise StudioError(f"run {run.name!r} is not under way, it is {status(run.id).state}", where=run.id)
    return state


def resume(reference: str) -> str:
    """Queue a failed, cancelled or interrupted run again; it goes on from its last checkpoint. Returns its id.

    Raises:
        StudioError: no such run, or it is queued, under way or done.
    """
    run = status(reference)
    if run.state in JUDGED:
        refuse_trial(run)
    if not lifecycle.requeue(run.id):
        raise foreground.not_resumable(status(run.id))
    queues.training().add(run.id)
    return run.id


def retry(reference: str, name: str | None = None) -> str:
    """Queue a new run with the same settings, from the start; its origin says so. Returns the new id."""
    run = status(reference)
    refuse_trial(run)
    return launch(stored_config(run.config), run.preset, name, origin="retry", parent_id=run.id)


def recover() -> None:
    """Make all states true and put lost runs back into the queue; call at the start of web app and worker."""
    recovery.settle()
    recovery.requeue_missing()
    recovery.sweep()
    archive.sweep()
    worker_records.settle()
    answers.settle()


def runs(
    text: str = "", *, states: Collection[RunState] = (), ids: Collection[str] | None = None, limit: int | None = None
) -> list[Run]:
    """Runs, newest first; ``text`` is looked for in id, name, preset, state, tags and note."""
    with contextlib.suppress(DatabaseUnreachable):  # on a full disk, what is there can be read
        recovery.settle()
    return run_store.search(text, states=states, ids=ids, limit=limit)


def status(reference: str) -> Run:
    """One run as it stands.

    Raises:
        StudioError: no such run.
    """
    run = run_store.find(reference)
    with contextlib.suppress(DatabaseUnreachable):
        if run.active and recovery.settle():
            run = run_store.get(run.id)
    return run


def stages(reference: str) -> list[Stage]:
    """The stages that a run has begun, in order."""
    return stage_store.of(status(reference).id)


def queue_position(reference: str) -> int | None:
    """1 for the run that starts next; ``None`` if the run is not queued."""
    return lifecycle.queue_position(status(reference).id)


def queue_places() -> dict[str, int]:
    """The places of all queued runs by id, 1 for the run that starts next."""
    return {run_id: place for place, run_id in enumerate(lifecycle.queue(), 1)}


def workers(needs: Mapping[str, Any] | None = None) -> list[Worker]:
    """Workers that can take up runs and answer questions now; without any, what is queued waits.

    Args:
        needs: of a run, as :func:`needs` tells them; only workers that meet them count.
    """
    return [it for it in worker_records.living() if needs is None or not Resources.of(it.offers).lacks(needs)]


def needs(run_id: str) -> dict[str, Any]:
    """What a run needs of a worker, as of :func:`jobs.resources.needs`; nothing if it was deleted."""
    values = next((run.config for run in run_store.search(ids=[run_id])), {})
    try:
        return resources.needs(stored_config(values)) if values else {}
    except StudioError:  # of another version: whoever takes it up says what is wrong with it
        return dict(values.get("run", {}))


def ask(kind: str, reference: str, request: Mapping[str, Any], *, again: bool = False) -> Explanation:
    """Ask a worker about a finished run; :data:`jobs.requests.KINDS` names what can be asked.

    An equal question that was asked before is not asked again, unless it failed, other code answered it, or ``again``
    says that its answer was lost: it may be there already.

    Raises:
        StudioError: no such run or kind, the run is not done, the request is no JSON object or too long.
    """
    return answers.ask(kind, status(reference), request, again=again)


progress = answers.progress
wait_for_answer = answers.wait
stop_answer = answers.stop


def explanations(reference: str, kind: str | None = None) -> list[Explanation]:
    """Questions asked about a run, oldest first."""
    return answers.of(status(reference), kind)


def metrics(reference: str, after: int = 0, limit: int | None = None) -> list[Point]:
    """Points of the curves in the order in which they came; pass the last id seen as ``after`` for what is new."""
    return curve_store.since(status(reference).id, after, limit)


def results(reference: str) -> dict[str, Any]:
    """The object of ``metrics.json``.

    Raises:
        StudioError: the run is not done.
    """
    run = status(reference)
    report = result_store.report(run.id)
    if report is None:
        raise StudioError(f"run {run.name!r} has no results, it is {run.state}", where=run.id)
    return report


def log_tail(reference: str, lines: int = 200) -> str:
    """The last lines of a run's log (from its last 256 KiB); empty before it starts."""
    path = log_file(reference)
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - LOG_BYTES))
        return "\n".join(file.read().decode("utf-8", errors="replace").splitlines()[-lines:])


def log_file(reference: str) -> Path:
    """The whole log; it need not exist yet."""
    return RunFolder(status(reference).folder).log


def rename(reference: str, name: str) -> None:
    """Give a run another name.

    Raises:
        StudioError: no such run, or the name is taken or unusable.
    """
    run_store.rename(status(reference).id, name)


def annotate(reference: str, *, tags: Sequence[str] | None = None, note: str | None = None) -> None:
    """Set a run's tags or note; what is ``None`` stays."""
    run_store.annotate(status(reference).id, tags=tags, note=note)


def delete(reference: str) -> None:
    """Delete a run with its records and files.

    Raises:
        StudioError: no such run, or a process works on it.
    """
    recovery.delete(status(reference))


def export_run(reference: str, target: Path) -> None:
    """Write a run that has ended, folder and record, to the zip file ``target``; :func:`import_run` reads it.

    Raises:
        StudioError: no such run, it is queued, under way or the trial of a search that is not closed, or the file
            cannot be written.
    """
    run = status(reference)
    refuse_trial(run)  # what is imported elsewhere is a run like others
    archive.write(run, target)


import_run = archive.read
