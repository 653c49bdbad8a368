"""How the engine reports progress and learns that it should stop.

The engine calls a :class:`Monitor`; terminals, databases and notebooks subclass it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from engine.errors import Cancelled

StageState = Literal["running", "done", "skipped"]


class Monitor:
    """Does nothing; override what you need. Calls come from the thread that runs the engine.

    >>> class Losses(engine.Monitor):
    ...     def metrics(self, stage, step, values):
    ...         if "loss" in values:
    ...             print(stage, step, values["loss"])
    >>> Losses().metrics("distil", 1, {"loss": 2.5})
    distil 1 2.5
    """

    def stage(self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0) -> None:
        """A stage begins (``total`` units of work), ends (``seconds`` taken over all attempts) or is skipped."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` units are finished; a resumed stage starts above zero."""

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Points of the curves, e.g. ``{"loss": 2.9, "validation.NDCG@10": 0.31}``, at ``step``."""

    def message(self, text: str) -> None:
        """A line for the log."""

    def taken(self, stage: str, run_id: str, part: str = "", *, seconds: float = 0.0) -> None:
        """The result of a stage, or of ``part`` of it, is that of an earlier run, where it took so many ``seconds``."""

    def should_stop(self) -> bool:
        """Whether the run was asked to stop; polled between steps, so keep it cheap."""
        return False

    def check(self) -> None:
        """Raise :class:`Cancelled` if the run should stop."""
        if self.should_stop():
            raise Cancelled


SILENT = Monitor()
"""Where nobody listens, and nobody stops."""


class MonitorGroup(Monitor):
    """Forwards every call to several monitors; stops when any of them says so."""

    def __init__(self, monitors: Sequence[Monitor]) -> None:
        self.monitors = list(monitors)

    def stage(self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0) -> None:
        for monitor in self.monitors:
            monitor.stage(name, state, total=total, unit=unit, seconds=seconds)

    def progress(self, stage: str, done: int, total: int) -> None:
        for monitor in self.monitors:
            monitor.progress(stage, done, total)

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        for monitor in self.monitors:
            monitor.metrics(stage, step, values)

    def message(self, text: str) -> None:
        for monitor in self.monitors:
            monitor.message(text)

    def taken(self, stage: str, run_id: str, part: str = "", *, seconds: float = 0.0) -> None:
        for monitor in self.monitors:
            monitor.taken(stage, run_id, part, seconds=seconds)

    def should_stop(self) -> bool:
        return any(monitor.should_stop() for monitor in self.monitors)
