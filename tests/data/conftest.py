"""Tiny data sets whose right answers are known by looking at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import settings

from engine.data import Catalogue, Dataset

settings.register_profile("no-clock", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("no-clock")

MakeDataset = Callable[..., Dataset]


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    """Builds a :class:`Dataset` from sequences of item ids; timestamps count 0, 1, 2 … unless given."""

    def build(
        sequences: Sequence[Sequence[int]],
        items: int = 12,
        timestamps: Sequence[Sequence[int]] | None = None,
        titles: Sequence[str] | None = None,
    ) -> Dataset:
        names = tuple(titles or (f"Film {item}" for item in range(items)))
        catalogue = Catalogue(
            names, (None,) * len(names), ((),) * len(names), tuple(f"i{item}" for item in range(len(names)))
        )
        times = timestamps or [range(len(sequence)) for sequence in sequences]
        return Dataset(
            name="tiny",
            catalogue=catalogue,
            sequences=tuple(np.array(sequence, np.int64) for sequence in sequences),
            timestamps=tuple(np.array(list(moments), np.int64) for moments in times),
            user_ids=tuple(f"u{user}" for user in range(len(sequences))),
            source="a test",
        )

    return build
