"""Small runs of the whole recipe: settings, a finished one, and one that is stopped on its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import RunConfig
from engine.evaluate import read_predictions
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.settings import load_config
from engine.stage_files import LEFT
from engine.stages import stage_names
from tests.stage_world import QUICK


def quick(*overrides: str) -> RunConfig:
    return load_config("smoke", overrides=[*QUICK, *overrides])


def left_files(config: RunConfig) -> list[tuple[str, str]]:
    """Stages and what they leave, as far as they have a line that says it: ``tests/test_stages.py`` asks it of each."""
    stages = [(stage, LEFT.get(stage.partition(":")[0])) for stage in stage_names(config)]
    return [(stage, name) for stage, names in stages if names for name in names(config, stage)]


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """What must be equal between runs: everything but times and memory."""
    return {key: report[key] for key in ("models", "comparisons", "users", "seed", "protocol")}


def read_back(folder: Path) -> Models:
    """The models of a finished run, once all its rows were seen to score as they did when it was evaluated."""
    predictions = read_predictions(folder / "predictions.parquet")
    models = Models.load(folder)
    candidates = np.stack(predictions.table["candidates"])
    histories = [models.split.test.histories[user] for user in predictions.table["user"]]
    for name in predictions.models:
        stored = np.stack(predictions.table[f"{name}/candidate_scores"])
        np.testing.assert_allclose(models.ranker(name).scores(histories, candidates), stored, atol=1e-4, rtol=1e-4)
    return models


class StopAt(Monitor):
    """Asks to stop once a stage has come so far."""

    def __init__(self, stage: str, done: int) -> None:
        self.place = (stage, done)
        self.stopped = False

    def progress(self, stage: str, done: int, total: int) -> None:
        self.stopped = self.stopped or (stage, done) == self.place

    def should_stop(self) -> bool:
        return self.stopped


@contextmanager
def finished_run(
    folders: pytest.TempPathFactory, monitor: Monitor | None = None
) -> Iterator[tuple[RunConfig, Path, dict[str, Any]]]:
    """A finished run of the smallest kind: its configuration, folder and report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_HOME", str(folders.mktemp("home")))
        folder, config = folders.mktemp("runs") / "finished", quick()
        yield config, folder, run_pipeline(config, folder, monitor or Monitor())
