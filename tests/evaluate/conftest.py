"""A world small enough to reason about: rankers with a mind of their own, and questions to ask them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.data.split import Examples
from engine.evaluate import RowEntry
from engine.monitor import Monitor
from engine.ranking import History

N_ITEMS = 60


@dataclass
class TableRanker:
    """Scores depend on the last history item and the item only, drawn once from ``seed``; counts the questions."""

    name: str
    seed: int
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = np.random.default_rng(self.seed).normal(size=(N_ITEMS, N_ITEMS)).astype(np.float32)

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        self.asked.append(len(histories))
        return np.stack([self.table[history[-1]] for history in histories])

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        return np.take_along_axis(self.catalogue_scores(histories), candidates, axis=1)


@dataclass
class Recorder(Monitor):
    """Remembers progress; asks to stop once ``stop_after`` reports have come."""

    stop_after: int = 10**9
    reports: list[tuple[int, int]] = field(default_factory=list)

    def progress(self, stage: str, done: int, total: int) -> None:
        assert stage == "evaluate"
        self.reports.append((done, total))

    def should_stop(self) -> bool:
        return len(self.reports) >= self.stop_after


@dataclass
class World:
    """Users with histories, targets and candidate sets over 60 items."""

    examples: Examples
    candidates: np.ndarray
    rankers: dict[str, TableRanker]
    built: list[str]
    n_items: int = N_ITEMS

    def entries(self, names: Sequence[str] | None = None) -> list[RowEntry]:
        kinds = {"popularity": "baseline", "sasrec": "teacher", "caser": "teacher"}
        return [RowEntry(name, kinds.get(name, "llm"), self._builder(name)) for name in names or self.rankers]

    def _builder(self, name: str) -> Callable[[], TableRanker]:
        def build() -> TableRanker:
            self.built.append(name)
            return self.rankers[name]

        return build


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def world() -> World:
    """75 users (three chunks), 10 candidates, a baseline, a teacher and three LLM rows."""
    random = np.random.default_rng(7)
    draws = np.stack([random.permutation(N_ITEMS) for _ in range(75)])
    targets, histories = draws[:, 0], tuple(row[10 : 10 + random.integers(2, 9)] for row in draws)
    candidates = random.permuted(draws[:, :10], axis=1)
    names = ["popularity", "sasrec", "llm-zero-shot", "llm-distilled", "delrec"]
    rankers = {name: TableRanker(name, seed) for seed, name in enumerate(names)}
    return World(Examples(np.arange(75), histories, targets), candidates, rankers, [])
