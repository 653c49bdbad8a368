"""Writes a run's progress to the database from a thread of its own, so that training never waits for it."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import psutil

from db import lifecycle, metrics, runs, stages
from db.stages import Stage
from db.store import writing
from engine.monitor import Monitor, StageState
from engine.run_folder import RunFolder
from engine.settings import stored_config
from engine.stages import stage_names
from jobs.estimate import TimeEstimate
from jobs.heartbeat import WriteFault
from jobs.process import Flag, owner
from jobs.settings import HEARTBEAT_SECONDS


class DatabaseMonitor(Monitor):
    """Heartbeat, stages, progress, curves and memory of one run; learns there whether it should stop.

    Use it as a context: it writes once a second, and all that is left at the end. A database that is out of reach
    for a while costs the training nothing; what was not written is kept. Values that are not finite are left out of
    the curves.
    """

    def __init__(self, run_id: str) -> None:
        run = runs.get(run_id)
        config = stored_config(run.config)
        self.run_id = run_id
        self._stages = {stage.name: stage for stage in stages.of(run_id)}
        self._changed: set[str] = set()
        self._began = 0.0
        self._points = _missing_points(run)
        self._current: dict[str, Any] = {}
        self._peak = run.peak_rss_mb or 0.0
        host = run.host or ""
        self._estimate = TimeEstimate(stage_names(config), stages.measured(config.model_dump(mode="json"), host))
        self._process = psutil.Process()
        self._owner = owner()
        self._fault = WriteFault("progress is not written yet")
        self._lock = threading.Lock()
        self._stop = Flag()
        self._cancel = Flag()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        self._write()

    def request_stop(self) -> None:
        """Make the engine stop at its next check; safe in a signal handler."""
        self._stop.set()

    def request_cancel(self) -> None:
        """The same, and the run will be cancelled rather than interrupted; safe in a signal handler."""
        self._cancel.set()
        self._stop.set()

    def should_stop(self) -> bool:
        return self._stop.is_set()

    def stage(self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0) -> None:
        with self._lock:
            known = self._stages.get(name) or Stage(name, "running", 0.0, 0, total, unit)
            if state == "running":
                known = dataclasses.replace(known, state="running", total=total or known.total, unit=unit)
                self._began = time.monotonic() - known.seconds
                self._estimate.begin(name)
                self._current = {"stage": name, "step": 0, "total": known.total}
            else:
                known = dataclasses.replace(known, state="done", seconds=seconds, step=known.total)
            self._stages[name] = known
            self._changed.add(name)

    def taken(self, stage: str, run_id: str, part: str = "", *, seconds: float = 0.0) -> None:
        with self._lock:
            known = self._stages.get(stage) or Stage(stage, "running", 0.0, 0, 0, "step")
            sources, saved = known.sources or {}, known.saved + (seconds if part not in (known.sources or {}) else 0.0)
            self._stages[stage] = dataclasses.replace(known, sources={**sources, part: run_id}, saved=saved)
            self._changed.add(stage)

    def progress(self, stage: str, done: int, total: int) -> None:
        with self._lock:
            self._estimate.progress(done, total)
            self._current = {"stage": stage, "step": done, "total": total}
            if stage in self._stages:
                self._stages[stage] = dataclasses.replace(self._stages[stage], step=done, total=total)
                self._changed.add(stage)

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        points = [(stage, name, step, float(value)) for name, value in values.items() if math.isfinite(value)]
        with self._lock:
            self._points += points

    def _keep_writing(self) -> None:
        while not self._closed.wait(HEARTBEAT_SECONDS):
            self._write()

    def _write(self) -> None:
        with self._lock:
            points, self._points = self._points, []
            changed, self._changed = self._changed, set()
            values = dict(self._current)
            values["stage_eta_seconds"] = self._estimate.stage_seconds()
            values["eta_seconds"] = self._estimate.run_seconds()
            touched = changed | {values.get("stage")}
            now = [self._as_of_now(stage) for name, stage in self._stages.items() if name in touched]
        rss = self._process.memory_info().rss / 1e6
        self._peak = max(self._peak, rss)
        values |= {"rss_mb": rss, "peak_rss_mb": self._peak}
        written = False
        with self._fault.logged_once():
            if self._cancel.is_set():
                lifecycle.request_cancel(self.run_id)
            with writing() as session:
                metrics.append(self.run_id, points, session)
                stages.save(self.run_id, now, session)
                if not lifecycle.beat(self.run_id, self._owner, values, session):
                    self._stop.set()
            written = True
        if not written:
            with self._lock:
                self._points = points + self._points
                self._changed |= changed

    def _as_of_now(self, stage: Stage) -> Stage:
        if stage.state != "running":
            return stage
        return dataclasses.replace(stage, seconds=round(time.monotonic() - self._began, 3))


def _missing_points(run: runs.Run) -> list[tuple[str, str, int, float]]:
    """Points that an attempt which was killed left in its folder; those in the database already are ignored there."""
    points = RunFolder(run.folder).curves()
    return [(p["stage"], p["name"], p["step"], p["value"]) for p in points if math.isfinite(p["value"])]
