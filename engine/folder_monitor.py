"""A run's log and curves, written into its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from engine.monitor import Monitor, StageState
from engine.run_folder import RunFolder
from engine.whole_files import append


class FolderMonitor(Monitor):
    """Keeps a run's log and curves in its folder."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def stage(self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0) -> None:
        took = f" in {seconds:.1f} s" if state != "running" else ""
        self.message(f"{name}: {'begins' if state == 'running' else state}{took}")

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        lines = (
            json.dumps({"stage": stage, "step": step, "name": name, "value": value}) + "\n"
            for name, value in values.items()
        )
        append(self.folder.path / "curves.jsonl", "".join(lines))

    def taken(self, stage: str, run_id: str, part: str = "", *, seconds: float = 0.0) -> None:
        self.message(f"{stage}{f' of {part}' if part else ''}: as in {run_id}")

    def message(self, text: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        append(self.folder.log, f"{stamp} {' '.join(text.split())}\n")
