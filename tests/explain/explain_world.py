"""Models whose reasons are known by construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.explain.predictor import Instance, Predictor
from engine.ranking import History


@dataclass
class CopyRule:
    """Candidate ``c`` scores what history items bring it: ``brings[item][c]``, in any order. Counts its calls."""

    brings: dict[int, dict[int, float]]
    name: str = "copy-rule"
    calls: list[int] = field(default_factory=list)

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        self.calls.append(len(histories))
        return np.array(
            [
                [sum(self.brings.get(int(item), {}).get(int(c), 0.0) for item in history) for c in row]
                for history, row in zip(histories, candidates, strict=True)
            ],
            np.float32,
        )


@dataclass
class Checkerboard:
    """A candidate's score is the number of history items of its own colour: even or odd ids."""

    name: str = "checkerboard"

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        return np.array(
            [
                [sum(int(item) % 2 == int(c) % 2 for item in history) for c in row]
                for history, row in zip(histories, candidates, strict=True)
            ],
            np.float32,
        )


@dataclass
class LastItem:
    """Only the last item counts: candidate ``last + 1`` comes first. With ``slope``, places in the list count too."""

    slope: float = 0.0
    name: str = "last-item"

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        last = np.array([history[-1] if len(history) else -9 for history in histories])
        places = np.arange(candidates.shape[1])
        return ((candidates == last[:, None] + 1) - self.slope * places).astype(np.float32)


def instance(history: Sequence[int], candidates: Sequence[int], target: int = 0, older: Sequence[int] = ()) -> Instance:
    return Instance(np.array(history), np.array(candidates), target, np.array(older, np.int64))


def copying(history: Sequence[int], candidates: Sequence[int], **brings: dict[int, float]) -> Predictor:
    """An predictor about the first candidate; ``brings`` are keyed ``i<item>``."""
    rule = CopyRule({int(name[1:]): gifts for name, gifts in brings.items()})
    return Predictor(rule, instance(history, candidates))
