"""Seconds that a reader waits for an explanation: ``python tests/benchmarks/explain.py RUN`` (a run of the real model).

Every figure is the median over some test users, with the models loaded and nothing remembered; beside it the goal and
their ratio, which is under 1 where the goal is met. The processor's time is told as well: on a machine that works on
something else at the same time it says more than the clock.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the app has it: else waiting threads take most of the time

from db import runs
from engine.explain.effects import leave_one_out
from engine.explain.explainer import FIRST, Explainer, explain
from engine.explain.explananda import ExplanationTarget, explanandum_of_user
from engine.explain.explanandum import Explanandum
from engine.explain.rationale import request
from engine.explain.removal import Delete
from engine.explain.writer import write
from engine.models import Models
from engine.monitor import Monitor
from engine.run_folder import RunFolder

USERS = 3
GOALS = {
    "ranking of 20 candidates": 1.0,
    "leave-one-out of 10 items": 3.0,
    "first words, after the evidence": 2.0,
    "first words, with nothing known": 2.0,
    "whole text, after the evidence": 3.0,
    "summary, with nothing known": 3.0,
}
SENTENCES = {"sasrec": 1.0, "delrec-plus": 1.0, "delrec": 3.0}
"""Until the first sentence about each of these rows is told, with nothing known."""


class Told(Exception):
    """The sentence stands."""


def sentence(models: Models, user: str, row: str) -> None:
    """As long as it takes until a page can show why."""

    def hear(partial: Mapping[str, Any]) -> None:
        if FIRST in partial:
            raise Told

    with contextlib.suppress(Told):
        explain(Explainer(explanandum_of_user(models, user, ExplanationTarget(model=row))), [FIRST], hear)


def clocks(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def first_words(explained: Explanandum, reasons: Explainer) -> None:
    """As long as it takes until the model's first word stands."""
    next(iter(write(explained.models.backbone, request(reasons.evidence()), adapter=False)))


def measure(models: Models, user: str) -> dict[str, tuple[float, float]]:
    """All figures of one user."""
    found: dict[str, tuple[float, float]] = {}
    ranking, effects, words, cold, text, summary = GOALS
    found[ranking] = clocks(lambda: explanandum_of_user(models, user))  # it asks for the ranking once
    explained = explanandum_of_user(models, user)
    found[effects] = clocks(lambda: leave_one_out(explained.model, [Delete()]))
    found[words] = clocks(lambda: first_words(explained, Explainer(explained)))
    found[text] = clocks(Explainer(explained).measure_rationale)
    found[cold] = clocks(lambda: first_words(fresh := explanandum_of_user(models, user), Explainer(fresh)))
    for row in SENTENCES:
        found[f"first sentence, {row}"] = clocks(lambda row=row: sentence(models, user, row))  # type: ignore[misc]
    found[summary] = clocks(lambda: Explainer(explanandum_of_user(models, user)).measure_summary())
    return found


def main(reference: str) -> None:
    """Print all figures."""
    models = Models.load(RunFolder.open(runs.find(reference).folder), Monitor())
    users = [models.dataset.user_ids[index] for index in models.split.test.users[: USERS + 1]]
    measure(models, users[0])  # the first call of all pays for memory and threads
    seen = [measure(models, user) for user in users[1:]]
    print(f"medians over {len(seen)} users of {reference}, {models.backbone.name} in {models.backbone.dtype}")
    print(f"{'what':34}{'seconds':>10}{'processor':>11}{'goal':>7}{'ratio':>7}")
    for name, goal in (GOALS | {f"first sentence, {row}": goal for row, goal in SENTENCES.items()}).items():
        wall, busy = (statistics.median(figures[name][clock] for figures in seen) for clock in (0, 1))
        print(f"{name:34}{wall:10.2f}{busy:11.2f}{goal:7.1f}{wall / goal:7.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
