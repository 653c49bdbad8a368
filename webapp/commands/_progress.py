"""Progress of a run in the shell: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from engine.curves import CurveName
from engine.labels import label
from engine.monitor import Monitor, StageState
from engine.stages import stage_title

LINE_SECONDS = 10.0
"""Seconds between two plain lines of one stage."""


@contextmanager
def shell_monitor(console: Console) -> Iterator[Monitor]:
    """A monitor that draws on ``console`` for as long as the context lasts."""
    if console.is_terminal:
        with _bars(console) as bars:
            yield BarMonitor(bars)
    else:
        yield LineMonitor(console)


class ShellMonitor(Monitor):
    """What both kinds share: messages, and the latest losses and validation values of the stage in hand."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._latest: dict[str, float] = {}

    def message(self, text: str) -> None:
        self.console.print(Text(" ".join(text.split()), style="dim"), soft_wrap=True)

    def stage(self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0) -> None:
        if state == "running":
            self._latest = {}

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        names = {key: CurveName.named(stage, key) for key in values}
        self._latest.update({key: values[key] for key, it in names.items() if it.validation or it.what == "loss"})

    def taken(self, stage: str, run_id: str, part: str = "", *, seconds: float = 0.0) -> None:
        self.message(f"{stage_title(stage)}{f', {label(part)}' if part else ''}: as in {run_id}")

    def latest(self) -> str:
        """The stage's latest values in a few words, losses first."""
        return "  ".join(f"{key} {self._latest[key]:.3f}" for key in sorted(self._latest)[:4])


class BarMonitor(ShellMonitor):
    """One bar per stage, with count, time taken, time left and latest values."""

    def __init__(self, bars: Progress) -> None:
        super().__init__(bars.console)
        self.bars = bars
        self._tasks: dict[str, TaskID] = {}

    def stage(self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0) -> None:
        super().stage(name, state, total=total, unit=unit, seconds=seconds)
        if name not in self._tasks:
            self._tasks[name] = self.bars.add_task(stage_title(name), total=None, count="", latest="")
        if state != "running":
            count = "done before" if state == "skipped" else f"done in {seconds:.0f} s"
            self.bars.update(self._tasks[name], total=1, completed=1, count=count, latest=self.latest())

    def progress(self, stage: str, done: int, total: int) -> None:
        task = self._tasks[stage]
        if self.bars.tasks[task].total is None:  # what an earlier attempt did says nothing about the speed
            self.bars.reset(task, total=total, completed=done)
        self.bars.update(task, completed=done, count=f"{done}/{total}", latest=self.latest())


class LineMonitor(ShellMonitor):
    """Plain lines for logs and pipes: stages as they begin and end, progress now and then."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._said = 0.0

    def stage(self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0) -> None:
        words = {"running": "…", "done": f"done in {seconds:.1f} s  {self.latest()}", "skipped": "done before"}
        self._echo(f"{stage_title(name)} {words[state]}")
        super().stage(name, state, total=total, unit=unit, seconds=seconds)

    def progress(self, stage: str, done: int, total: int) -> None:
        if time.monotonic() - self._said >= LINE_SECONDS:
            self._echo(f"{stage_title(stage)} {done}/{total}  {self.latest()}")

    def _echo(self, line: str) -> None:
        self._said = time.monotonic()
        self.console.print(Text(line.rstrip()), soft_wrap=True)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[latest]}", style="dim"),
        console=console,
        redirect_stdout=False,
    )
