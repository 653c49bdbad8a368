"""SASRec against a plain loop that makes an example of every prefix: processor time to the same validation NDCG@10."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from engine.settings import load_config

if TYPE_CHECKING:
    from engine.config import RunConfig
    from engine.data import Split

TARGET = 5.0
PATIENCE = 6
"""The plain loop is stopped after so many times our processor time."""


def _world() -> tuple[RunConfig, Split]:
    from engine.data import load_dataset, split_dataset
    from engine.monitor import Monitor

    config = load_config("quickstart")
    return config, split_dataset(load_dataset(config.data, config.seed, Monitor()), config.data)


def _ours(connection: Connection) -> None:
    from engine.environment import peak_memory_mb
    from engine.monitor import Monitor
    from engine.teachers import train_teacher

    config, split = _world()
    looks: list[tuple[float, float]] = []

    class Watch(Monitor):
        def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
            if "validation.NDCG@10" in values:
                looks.append((values["validation.NDCG@10"], began - time.process_time()))

    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train_teacher("sasrec", split, config.teacher, config.seed, Path(folder) / "checkpoint", Watch(), "teacher")
    value, negative = max(looks)  # the earliest of equal ones
    connection.send((-negative, value, peak_memory_mb()))


def _plain(connection: Connection, wanted: float, limit: float) -> None:
    import torch
    from plain import prefix_augmented

    from engine.environment import peak_memory_mb
    from engine.teachers.teacher import Teacher

    config, split = _world()
    torch.manual_seed(config.seed)
    teacher = Teacher(split.n_items, config.teacher.model_copy(update={"name": "sasrec"}))
    best = 0.0
    for seconds, value in prefix_augmented(teacher, split, config.seed, time.process_time):
        best = max(best, value)
        if best >= wanted or seconds >= limit:
            connection.send((seconds, best, peak_memory_mb()))
            return


def _in_a_process(*arguments: object) -> tuple[float, float, float]:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    target, *others = arguments
    process = context.Process(target=target, args=(theirs, *others), daemon=True)  # type: ignore[arg-type]
    process.start()
    theirs.close()
    answer: tuple[float, float, float] = mine.recv()
    process.join()
    return answer


def race_row() -> list[str]:
    """The line of the table: a model each, in seconds of processor time; ``>`` where the plain loop was stopped."""
    seconds, value, peak = _in_a_process(_ours)
    theirs, reached, their_peak = _in_a_process(_plain, value, PATIENCE * seconds)
    stopped = reached < value
    print(f"... SASRec: ours {value:.4f} after {seconds:.0f} s, by prefixes {reached:.4f} after {theirs:.0f} s",
          file=sys.stderr)  # fmt: skip
    ratio = f"{'>' if stopped else ''}{theirs / seconds:.2f}"
    met = "met" if theirs / seconds >= TARGET else "MISSED"
    title = f"SASRec to validation NDCG@10 {value:.3f}, models/s (cpu), against prefixes"
    speeds = [f"{1 / seconds:.4f}", f"{'<' if stopped else ''}{1 / theirs:.4f}"]
    return [title, *speeds, "", ratio, f">= {TARGET}", met, f"{peak:.0f}", f"{their_peak:.0f}"]


if __name__ == "__main__":
    print(*race_row())
