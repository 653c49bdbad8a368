"""What models of finished runs answered for each user, read from the stored predictions and kept for the next look."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from engine.errors import StudioError
from engine.evaluate import Predictions, read_predictions, read_scores
from engine.evaluate.paired import UserMetrics, answers
from engine.evaluate.predictions import Scores
from engine.run_folder import RunFolder
from jobs.records import Run

KEPT_ANSWERS, KEPT_SCORES, KEPT_TABLES = 256, 64, 4
"""Models' answers are small, all their scores are less so, whole tables are not."""


def answers_of(run: Run, model: str) -> UserMetrics:
    """The answers of one model.

    Raises:
        StudioError: the run is not done, or has no such model.
    """
    path = _path(run)
    return _answers(path, path.stat().st_mtime_ns, model)


def predictions_of(run: Run) -> Predictions:
    """Ranks of all models, and what popularity scored: how often the candidates were chosen.

    Raises:
        StudioError: the run is not done.
    """
    path = _path(run)
    return _table(path, path.stat().st_mtime_ns)


def _path(run: Run) -> Path:
    path = run.folder / "predictions.parquet"
    if run.state != "done":
        raise StudioError(f"{run.name} has no results yet")
    if not path.is_file():
        what, remedy = f"what the rows of {run.name} answered is gone", "restore the file, or run it again"
        raise StudioError(what, where=str(path), remedy=remedy)
    return RunFolder(run.folder).files.checked(path)


@lru_cache(maxsize=KEPT_ANSWERS)
def _answers(path: Path, changed: int, model: str) -> UserMetrics:
    return answers(_scores(path, changed), model)


@lru_cache(maxsize=KEPT_SCORES)
def _scores(path: Path, changed: int) -> Scores:  # noqa: ARG001 - a file that changed is read again
    return read_scores(path)


@lru_cache(maxsize=KEPT_TABLES)
def _table(path: Path, changed: int) -> Predictions:  # noqa: ARG001 - a file that changed is read again
    return read_predictions(path, ("popularity",))
