"""Figures that others published, beside which one's own may be put, and why most of them may not be compared."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml

from engine.config_base import FrozenModel
from engine.evaluate.report import Report

FILE = Path(__file__).parent / "yardsticks.yaml"


class PublishedModel(FrozenModel):
    """A method as its source measured it."""

    row: str | None
    """The row of our tables that its figures stand beside, the nearest to it in kind; ``None`` where we have none."""
    figures: dict[str, float]
    """Such as ``full.NDCG@10``."""


class Yardstick(FrozenModel):
    """What one source says of one data set; ``None`` where it does not state how it measured."""

    datasets: list[str]
    """Data sets beside whose results it is shown, by the names that reports have."""
    source: str
    data: str | None = None
    """The data it really is about, where those are others."""
    split: Literal["leave-one-out", "temporal"] | None = None
    users: int | None = None
    candidates: int | None = None
    negatives: Literal["uniform", "popularity"] | None = None
    models: dict[str, PublishedModel]
    """By the name that the source has for each."""

    def differs(self, report: Report) -> list[str]:
        """Why its figures are no measure for those of ``report``, each reason in a few words; empty if they are."""
        own = report.protocol_details
        asked: dict[str, tuple[Any, Any]] = {"split": (self.split, own.split), "test users": (self.users, report.users)}
        if any(name.startswith("candidates.") for it in self.models.values() for name in it.figures):
            asked["candidates"] = (self.candidates, own.candidates)
            asked["draw of candidates"] = (self.negatives, own.negatives)
        reasons = [f"its data are {self.data}"] if self.data and self.data != report.dataset else []
        reasons += [f"{what}: {a:,}, here {b:,}" if isinstance(a, int) else f"{what}: {a}, here {b}"
                    for what, (a, b) in asked.items() if a is not None and a != b]  # fmt: skip
        unsaid = [what for what, (a, _) in asked.items() if a is None]
        return reasons + ([f"not stated: {', '.join(unsaid)}"] if unsaid else [])


@functools.cache
def _every() -> tuple[Yardstick, ...]:
    return tuple(Yardstick.model_validate(it) for it in yaml.safe_load(FILE.read_text(encoding="utf-8")))


def yardsticks(report: Report) -> Iterator[Yardstick]:
    """Those of the report's data set; none for most."""
    return (it for it in _every() if report.dataset in it.datasets)
