"""What there is to say about a data set after cleaning, for the shell, pages and programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine import datasets
from engine.config import DataConfig
from engine.data.cleaning import STEP_NAMES
from engine.data.dataset import Dataset
from engine.data.fingerprint import Fingerprint
from engine.data.split import split_dataset
from engine.data.statistics import RARITIES, Statistics, between, statistics

RARE = 5
"""Training interactions below which a target is rare."""


@dataclass(frozen=True)
class Description:
    """Plain numbers, texts and lists; :meth:`json` gives an object for programs."""

    name: str
    title: str
    source: str
    licence: str
    fingerprint: str
    """Equal data have equal ones, whatever the order of a file's rows."""
    users: int
    items: int
    interactions: int
    density: float
    """Share of all user-item pairs that occur."""
    history: dict[str, float]
    """Interactions of a user: least, median, mean, most."""
    tie_share: float
    """Share of neighbouring interactions of a user that have one time."""
    test_tie_share: float
    """Share of users whose last item ties with the one before it."""
    untitled: int
    """Items that are shown by their id."""
    look_alikes: int
    """Items displayed like another."""
    longest_title: int
    """In characters."""
    with_genres: float
    """Share of the items of which genres or categories are known."""
    with_brand: float
    rare_targets: float
    """Share of the users whose last item has fewer than :data:`RARE` training interactions (leave-one-out)."""
    rarity: dict[str, int]
    """Users by the training interactions of their last item: 0, 1-4, 5-19, 20-99, 100 and more."""
    cleaning: dict[str, Any]
    """``rows`` in the files; what each step ``dropped``; ``notes`` and all in a sentence."""

    def json(self) -> dict[str, Any]:
        """As an object."""
        return asdict(self)


def describe(dataset: Dataset, config: DataConfig, found: Statistics | None = None) -> Description:
    """Describe a data set that :func:`engine.data.load_dataset` has loaded; ``found``: its figures, if at hand."""
    found = found or statistics(dataset)
    reader = datasets.reader(config.dataset)
    lengths = np.array([len(items) for items in dataset.sequences])
    split = split_dataset(dataset, DataConfig(split="leave-one-out"))
    trained = split.popularity()[split.test.targets]
    record, catalogue = dataset.cleaning, dataset.catalogue
    cleaning: dict[str, Any] = {}
    if record is not None:
        dropped = {kind: asdict(step) for kind in STEP_NAMES if (step := record.dropped.get(kind))}
        cleaning = {**asdict(record), "dropped": dropped, "said": record.summary()}
    return Description(
        name=dataset.name,
        title=reader.title,
        source=dataset.source,
        licence=reader.licence,
        fingerprint=Fingerprint.of(dataset, config).whole[:16],
        users=found.users,
        items=found.items,
        interactions=found.interactions,
        density=found.density,
        history={
            "least": int(lengths.min()),
            "median": float(np.median(lengths)),
            "mean": float(lengths.mean()),
            "most": int(lengths.max()),
        },
        tie_share=found.tie_share,
        test_tie_share=found.test_tie_share,
        untitled=record.untitled if record else 0,
        look_alikes=found.look_alikes,
        longest_title=max(map(len, catalogue.titles)),
        with_genres=sum(map(bool, catalogue.genres)) / len(catalogue),
        with_brand=sum(map(bool, catalogue.brands)) / len(catalogue),
        rare_targets=float((trained < RARE).mean()),
        rarity={name: len(places) for name, places in between(trained, RARITIES)},
        cleaning=cleaning,
    )
