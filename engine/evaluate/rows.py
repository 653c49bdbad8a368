"""What is kept of a model's answers while an evaluation runs, so that a killed one repeats nothing it has scored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from engine.metrics.full import Listing
from engine.metrics.ranks import Ranks
from engine.rows import RowKind

if TYPE_CHECKING:
    from engine.data.split import Examples

Shapes = Mapping[str, tuple[tuple[int, ...], type[np.generic]]]
"""Shape and element type of arrays by name."""


@dataclass(frozen=True)
class Row:
    """One model's answers for ``n`` test examples.

    ``candidates``: float32 ``[n, m]``, scores of the candidates. ``ranks``: the true item's place among them.
    ``full``: its place in the whole catalogue. ``listing``: the model's best K items there. ``warm_ranks``: its place
    among warm items, where cold ones are tested.
    """

    name: str
    kind: RowKind
    candidates: np.ndarray
    ranks: Ranks
    full: Ranks
    listing: Listing
    warm_ranks: Ranks | None = None


@dataclass(frozen=True)
class Evaluation:
    """Raw answers of all models for the same test examples, one per user; rows in the order of the table."""

    examples: Examples
    candidates: np.ndarray
    """int64 ``[n, m]``."""
    teacher: str
    """The row whose list the LLM rows re-rank."""
    n_items: int
    rows: dict[str, Row]
    whole: tuple[str, ...] = ()
    """LLM rows that rank the whole catalogue themselves."""


class RowFile:
    """Arrays of one row, filled chunk by chunk, in a safetensors file that knows what it belongs to."""

    def __init__(self, path: Path, key: str, shapes: Shapes) -> None:
        """Continue from ``path`` where it holds rows of the same ``key`` and ``shapes``; start anew otherwise."""
        self.path = path
        self.key = key
        self.done = 0
        self.seconds = 0.0
        """That were spent on them, over all attempts."""
        self.arrays: dict[str, np.ndarray] = {name: np.zeros(shape, dtype) for name, (shape, dtype) in shapes.items()}
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()["row"])
                stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (OSError, SafetensorError, TypeError, KeyError, ValueError):  # none yet, or a foreign or damaged file
            return
        if about["key"] == key and {n: a.shape for n, a in stored.items()} == {n: s for n, (s, _) in shapes.items()}:
            self.arrays = stored
            self.done, self.seconds = int(about["done"]), float(about.get("seconds", 0.0))

    def save(self) -> None:
        """Write the arrays and how many examples are done, atomically."""
        import torch

        from engine.training import write_atomically

        tensors = {name: torch.from_numpy(array) for name, array in self.arrays.items()}
        about = {"key": self.key, "done": self.done, "seconds": self.seconds}
        write_atomically(tensors, self.path, {"row": json.dumps(about)})


def fingerprint(parts: Iterable[np.ndarray | str]) -> str:
    """SHA-256 over texts and arrays with their shapes."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            data, shape = part.encode(), "text"
        else:
            data, shape = np.ascontiguousarray(part).tobytes(), f"{part.dtype}{part.shape}"
        digest.update(f"{shape}/{len(data)}/".encode())
        digest.update(data)
    return digest.hexdigest()
