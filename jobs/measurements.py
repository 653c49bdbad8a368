"""Questions about a whole run that take minutes: did stage 1 distil anything, how far are the reasons to be trusted,
what drives each row?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from db import runs
from engine.default_row import chosen_row
from engine.explain import drivers as reasons
from engine.explain import faithfulness as trust
from engine.explain import pattern as distilled
from engine.falsify import suite
from engine.falsify.record import NUMBERS, USERS
from engine.models import Models
from engine.monitor import Monitor
from engine.run_folder import RunFolder
from jobs.requests import OnProgress, Request, models, soft_prompts


class PatternRequest(Request):
    """Did stage 1 distil anything? See :func:`engine.explain.pattern.pattern`."""

    users: int = Field(distilled.USERS, ge=2, le=1000)
    effect_users: int = Field(distilled.EFFECT_USERS, ge=2, le=1000)
    prompt_of: list[str] = Field([])
    """Ids of runs whose soft prompts are held against the teacher too, best of one with another teacher."""


class FaithfulnessRequest(Request):
    """How far are the reasons to be trusted? See :func:`engine.explain.faithfulness.faithfulness`."""

    users: int = Field(trust.USERS, ge=2, le=1000)
    model: str | None = None
    """The row of the results table; empty for the default one."""


class DriversRequest(Request):
    """Which kinds of reasons drive the rows? See :func:`engine.explain.drivers.drivers`."""

    users: int = Field(reasons.USERS, ge=2, le=1000)
    rows: list[str] | None = Field(None, min_length=1)
    """Of the results table; all by default."""


class FalsifyRequest(Request):
    """Could tests show that nothing was distilled? See :func:`engine.falsify.suite.falsify`."""

    users: int = Field(USERS, ge=2)
    """Test users to ask, at most as many as there are."""
    tests: list[int] = Field(list(NUMBERS), min_length=1)
    """Tests to take."""


class ProgressMonitor(Monitor):
    """Tells the progress of a measurement as its answer so far: ``measuring``, ``done`` and ``total``."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.on_progress = on_progress

    def progress(self, stage: str, done: int, total: int) -> None:
        self.on_progress({"measuring": stage, "done": done, "total": total})


def pattern(folder: Path, request: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    """Answers a :class:`PatternRequest`; ``others`` says which runs the further prompts are of."""
    asked = PatternRequest.read(request)
    loaded = models(folder)
    others = [runs.get(run_id) for run_id in asked.prompt_of]
    prompts = soft_prompts(asked.prompt_of, loaded)
    found = distilled.pattern(loaded, ProgressMonitor(on_progress), prompts, asked.users, asked.effect_users)
    return {
        "run_id": folder.name,
        **found,
        "others": [{"id": run.id, "name": run.name, "teacher": run.config["teacher"]["name"]} for run in others],
        "tasks": distilled.task_accuracy(RunFolder.open(folder)),
    }


def faithfulness(folder: Path, request: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    """Answers a :class:`FaithfulnessRequest`."""
    asked = FaithfulnessRequest.read(request)
    row = asked.model or chosen_row(RunFolder.open(folder)).row
    return {"run_id": folder.name, **trust.faithfulness(models(folder), asked.users, ProgressMonitor(on_progress), row)}


def drivers(folder: Path, request: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    """Answers a :class:`DriversRequest`."""
    asked = DriversRequest.read(request)
    monitor = ProgressMonitor(on_progress)
    return {"run_id": folder.name, **reasons.drivers(models(folder), asked.users, monitor, asked.rows)}


def falsify(folder: Path, request: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    """Answers a :class:`FalsifyRequest`; prompts to compare with are distilled first, unless they are there."""
    asked = FalsifyRequest.read(request)
    run = RunFolder.open(folder)
    # Models of its own: while prompts are distilled the adapter is off, and others ask theirs in between.
    loaded, monitor = Models.load(run, Monitor()), ProgressMonitor(on_progress)
    found = suite.falsify(loaded, run, monitor, users=asked.users, tests=asked.tests, train=True)
    return found.model_dump(mode="json")
