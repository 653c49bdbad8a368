"""Curves for other tools, by ``DELREC_TRACKERS``: TensorBoard event files, MLflow, W&B, through their own libraries.

A tracker that fails or hangs costs the training nothing: it is fed from a thread of its own and given up at its first
fault.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from db import runs
from db.runs import Run
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.settings import flatten, stored_config

TRACKERS = "DELREC_TRACKERS"
CLOSE_SECONDS = 30.0
"""A tracker may take so long to write what is left when the run ends."""
FOLDER = "tensorboard"
EXPERIMENT = "DELRec Studio"
WANDB_PROJECT = "delrec-studio"
MLFLOW_TAG = "delrec.run"
MOST_PARAMS = 100
"""MLflow takes no more of them at once."""

logger = logging.getLogger(__name__)


class Tracker(Protocol):
    """Takes the finite values of one step at a time; any exception ends it."""

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in ``<run>/tensorboard/<stage>``; steps that a resumed run repeats replace the old ones."""

    def __init__(self, run: Run) -> None:
        from tensorboardX import SummaryWriter

        self._open = SummaryWriter
        self._folder = run.folder / FOLDER
        self._writers: dict[str, Any] = {}

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        if stage not in self._writers:
            folder = self._folder / stage.replace(":", "-")
            unique = f".{time.time_ns()}"  # two files of one second would otherwise be one
            self._writers[stage] = self._open(str(folder), purge_step=step, flush_secs=5, filename_suffix=unique)
        for name, value in values.items():
            self._writers[stage].add_scalar(name, value, step)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class MLflow:
    """A run of MLflow's experiment "DELRec Studio" where ``MLFLOW_TRACKING_URI`` says; a resumed run goes on in it."""

    def __init__(self, run: Run) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._metric = Metric
        self._client = MlflowClient()
        known = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else self._client.create_experiment(EXPERIMENT)
        found = self._client.search_runs([experiment], f"tags.`{MLFLOW_TAG}` = '{run.id}'", max_results=1)
        if found:
            self._run_id = found[0].info.run_id
            return
        made = self._client.create_run(experiment, run_name=run.name, tags={MLFLOW_TAG: run.id})
        self._run_id = made.info.run_id
        settings = [Param(name, str(value)[:500]) for name, value in flatten(stored_config(run.config))]
        for start in range(0, len(settings), MOST_PARAMS):
            self._client.log_batch(self._run_id, params=settings[start : start + MOST_PARAMS])

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        now = round(time.time() * 1000)
        named = {f"{stage}/{name}".replace(":", "-").replace("@", "_at_"): value for name, value in values.items()}
        metrics = [self._metric(name, value, now, step) for name, value in named.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def close(self) -> None:
        self._client.set_terminated(self._run_id)


class WandB:
    """A run of the W&B project that ``WANDB_PROJECT`` names; its own settings say where, e.g. ``WANDB_MODE=offline``.

    A resumed run goes on in it. Each stage counts its own steps, so curves are drawn against ``<stage>/step``.
    """

    def __init__(self, run: Run) -> None:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", WANDB_PROJECT),
            id=run.id,
            name=run.name,
            config=dict(flatten(stored_config(run.config))),
            dir=str(run.folder),
            resume="allow",
            settings=wandb.Settings(silent=True, console="off", save_code=False, disable_git=True),
        )
        self._stages: set[str] = set()

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        counter = f"{stage}/step"
        if stage not in self._stages:
            self._stages.add(stage)
            self._run.define_metric(counter, hidden=True)
            self._run.define_metric(f"{stage}/*", step_metric=counter)
        self._run.log({counter: step, **{f"{stage}/{name}": value for name, value in values.items()}})

    def close(self) -> None:
        self._run.finish()


MAKERS: dict[str, Callable[[Run], Tracker]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}
MODULES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}


def names() -> tuple[str, ...]:
    """``DELREC_TRACKERS``: where curves go beside the database, e.g. ``tensorboard,wandb``; nowhere by default.

    Raises:
        StudioError: an unknown one.
    """
    given = os.environ.get(TRACKERS, "").lower().split(",")
    found = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
    if unknown := [name for name in found if name not in MAKERS]:
        remedy = f"choose among {', '.join(MAKERS)}"
        raise StudioError(f"unknown tracker {unknown[0]!r}", where=TRACKERS, remedy=remedy)
    return found


def check() -> tuple[str, ...]:
    """:func:`names`, all of which can be used.

    Raises:
        StudioError: an unknown one, or its library is not installed.
    """
    found = names()
    for name in found:
        if importlib.util.find_spec(MODULES[name]) is None:
            remedy = f"pip install 'delrec-studio[{name}]'"
            raise StudioError(f"{MODULES[name]} is not installed", where=TRACKERS, remedy=remedy)
    return found


def monitors(run_id: str) -> list[TrackerMonitor]:
    """A monitor for each tracker that is switched on; see :func:`check`."""
    found = check()
    run = runs.get(run_id) if found else None
    return [TrackerMonitor(name, run) for name in found if run]


class TrackerMonitor(Monitor):
    """Passes a run's curves on to a tracker; use it as a context, so that the last points are written."""

    def __init__(self, name: str, run: Run, make: Callable[[Run], Tracker] | None = None) -> None:
        self._name, self._run, self._make = name, run, make or MAKERS[name]
        self._waiting: queue.SimpleQueue[tuple[str, int, dict[str, float]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._feed, name=f"tracker-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            logger.warning("%s did not take the last points within %.0f s", self._name, CLOSE_SECONDS)

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        if finite and self._thread.is_alive():
            self._waiting.put((stage, step, finite))

    def _feed(self) -> None:
        try:
            tracker = self._make(self._run)
            while (point := self._waiting.get()) is not None:
                tracker.write(*point)
            tracker.close()
        except Exception:  # each library has faults of its own, and none may touch the training
            logger.warning("%s failed and gets no more points of this run", self._name, exc_info=True)
