"""Data whose right answer is known: films in a ring, each followed by the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.architectures import ARCHITECTURES, TeacherName
from engine.config import TeacherConfig
from engine.data import Examples, Split
from engine.monitor import Monitor
from engine.teachers import CatalogueScorer, Ensemble, Teacher, baselines, train_teacher

RING = 12
UNSEEN = 12
"""An item of the catalogue that nobody has watched."""
N_ITEMS = 13
TINY = TeacherConfig(
    max_length=6, width=16, epochs=12, patience=9, validate_every=12, batch_size=4, lr=0.02, dropout=0.1
)
MORE_TRAINING: dict[str, dict[str, object]] = {
    "bert4rec": {"batch_size": 2, "bert4rec": {"maskings": 16, "mask_share": 0.1}},
}
"""What it takes an architecture more to learn the ring from 48 users."""
LEARNS_HALF = {"bert4rec": "it is asked at a tenth of the places only"}
"""Which learn half of the ring from a few sampled negatives, and why."""
MORE = "{name}: give it more in MORE_TRAINING of tests/teachers/conftest.py, or say in LEARNS_HALF why it learns half"

Train = Callable[..., Teacher]


def walk(begin: int, length: int) -> np.ndarray:
    """``length`` films of the ring from ``begin`` on."""
    return (begin + np.arange(length, dtype=np.int64)) % RING


def leave_one_out(sequences: Sequence[np.ndarray], n_items: int) -> Split:
    users = np.arange(len(sequences))
    return Split(
        train=tuple(items[:-2] for items in sequences),
        validation=Examples(users, tuple(s[:-2] for s in sequences), np.array([s[-2] for s in sequences])),
        test=Examples(users, tuple(s[:-1] for s in sequences), np.array([s[-1] for s in sequences])),
        n_items=n_items,
    )


@pytest.fixture(scope="session")
def ring() -> Split:
    """Users enter the ring at every place and watch 7 to 10 films."""
    return leave_one_out([walk(user % RING, 7 + user % 4) for user in range(48)], N_ITEMS)


@pytest.fixture(scope="session")
def train(ring: Split) -> Train:
    """Trains a tiny teacher on the ring; the checkpoint goes where the caller says."""

    def run(name: TeacherName, checkpoint: Path, monitor: Monitor | None = None, **settings: object) -> Teacher:
        config = TeacherConfig.model_validate(TINY.model_dump() | settings)
        return train_teacher(name, ring, config, 0, checkpoint, monitor or Monitor(), "teacher")

    return run


@pytest.fixture(scope="session")
def rankers(ring: Split, train: Train, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CatalogueScorer]:
    """All of them, trained on the ring, and the ensemble of the neural ones."""
    folder = tmp_path_factory.mktemp("teachers")
    teachers = [train(name, folder / name, **MORE_TRAINING.get(name, {})) for name in ARCHITECTURES]
    return {ranker.name: ranker for ranker in (*baselines(ring), *teachers, Ensemble(teachers))}


@pytest.fixture(params=["popularity", "markov", *ARCHITECTURES, "ensemble"])
def ranker(request: pytest.FixtureRequest, rankers: dict[str, CatalogueScorer]) -> CatalogueScorer:
    """Each of them in turn."""
    return rankers[request.param]


@pytest.fixture(params=list(ARCHITECTURES))
def teacher(request: pytest.FixtureRequest, rankers: dict[str, CatalogueScorer]) -> Teacher:
    """Each of the neural ones in turn."""
    chosen = rankers[request.param]
    assert isinstance(chosen, Teacher)
    return chosen
