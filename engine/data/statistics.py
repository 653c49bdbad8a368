"""Figures about a data set, for pages and reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.data.dataset import Dataset

BINS = 12
"""Most bins of the histogram."""
RARITIES = (0, 1, 5, 20, 100)
"""Fewest training interactions of a target in each slice of the users."""


@dataclass(frozen=True)
class Statistics:
    """Plain numbers and lists; ``dataclasses.asdict`` gives JSON."""

    users: int
    items: int
    interactions: int
    density: float
    """Share of all user-item pairs that occur."""
    history_edges: list[int]
    """Edges of the histogram of sequence lengths, one more than counts, about evenly spaced by ratio."""
    history_users: list[int]
    """Users per bin; a bin holds lengths from its edge up to, but not including, the next."""
    history_median: float
    popularity: list[int]
    """Interactions of each item, most popular first."""
    popular_share: float
    """Share of the interactions that fall on the most popular tenth of the items."""
    tie_share: float
    """Share of neighbouring interactions of a user that have one timestamp: their order is the file's."""
    test_tie_share: float
    """Share of users whose last item (the leave-one-out target) ties with the item before it."""
    look_alikes: int
    """Items displayed exactly like an earlier item."""


def statistics(dataset: Dataset) -> Statistics:
    """Count everything in :class:`Statistics`."""
    lengths = np.array([len(items) for items in dataset.sequences])
    edges = np.unique(np.geomspace(lengths.min(), lengths.max() + 1, BINS + 1).round().astype(np.int64))
    popularity = np.sort(np.bincount(np.concatenate(dataset.sequences), minlength=len(dataset.catalogue)))[::-1]
    total = int(lengths.sum())
    tied = np.diff(np.concatenate(dataset.timestamps)) == 0
    ends = np.cumsum(lengths)
    within = np.ones(len(tied), bool)
    within[ends[:-1] - 1] = False  # from one user to the next
    last = tied[ends[lengths > 1] - 2]
    alike = dataset.catalogue.look_alikes
    return Statistics(
        users=len(lengths),
        items=len(dataset.catalogue),
        interactions=total,
        density=total / (len(lengths) * len(dataset.catalogue)),
        history_edges=edges.tolist(),
        history_users=np.histogram(lengths, edges)[0].tolist(),
        history_median=float(np.median(lengths)),
        popularity=popularity.tolist(),
        popular_share=float(popularity[: max(1, len(popularity) // 10)].sum() / total),
        tie_share=float(tied[within].mean()) if within.any() else 0.0,
        test_tie_share=float(last.mean()) if len(last) else 0.0,
        look_alikes=int((alike != np.arange(len(alike))).sum()),
    )


def between(values: np.ndarray, edges: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Names as ``0``, ``1-4``, ``100+`` and places of the values from each edge up to the next."""
    for low, after in zip(edges, (*edges[1:], None), strict=True):
        inside = values >= low if after is None else (values >= low) & (values < after)
        name = f"{low}+" if after is None else str(low) if after == low + 1 else f"{low}-{after - 1}"
        yield name, np.flatnonzero(inside)
