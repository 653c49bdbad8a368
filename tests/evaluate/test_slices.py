"""Figures by where they come from: every user in one slice of each kind, each figure a mean over that slice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import DataConfig
from engine.data import Catalogue, Dataset, split_dataset
from engine.data.split import Examples
from engine.evaluate import Context, context
from engine.evaluate.slices import SLICED, slices
from engine.metrics.bootstrap import Bootstrap

BOOTSTRAP = Bootstrap(60, 200, 0)
KEYS = [(section, metric) for section, metrics in SLICED.items() for metric in metrics]


def about(rarity: np.ndarray, lengths: np.ndarray | None = None, tied: np.ndarray | None = None) -> Context:
    n = len(rarity)
    return Context(
        popularity=np.zeros(5, np.int64),
        train_users=1,
        genres=((),) * 5,
        rarity=rarity,
        lengths=np.full(n, 3) if lengths is None else lengths,
        tied=np.zeros(n, bool) if tied is None else tied,
    )


def columns(n: int) -> dict[tuple[str, str, str], np.ndarray]:
    random = np.random.default_rng(0)
    values = {(name, *key): random.random(n) for name in ("sasrec", "delrec") for key in KEYS}
    return values | {("delrec", "full", "HR@1"): random.random(n), ("delrec", "agreement", "top-1"): random.random(n)}


@pytest.mark.parametrize(
    ("count", "name"),
    [(0, "0"), (1, "1-4"), (4, "1-4"), (5, "5-19"), (19, "5-19"), (20, "20-99"), (99, "20-99"), (100, "100+")],
)
def test_a_target_falls_into_the_slice_that_names_its_count(count: int, name: str) -> None:
    found = slices(columns(1), about(np.array([count])), "sasrec", BOOTSTRAP)
    assert [it.name for it in found if it.by == "rarity" and it.users] == [name]
    assert [it.name for it in found if it.by == "rarity"] == ["0", "1-4", "5-19", "20-99", "100+"]


@pytest.mark.parametrize(("length", "name"), [(1, "1-4"), (9, "5-9"), (10, "10-19"), (49, "20-49"), (737, "100+")])
def test_a_history_falls_into_the_slice_that_names_its_length(length: int, name: str) -> None:
    found = slices(columns(1), about(np.zeros(1, int), np.array([length])), "sasrec", BOOTSTRAP)
    assert [it.name for it in found if it.by == "history" and it.users] == [name]


def test_each_kind_of_slice_holds_every_user_once_and_means_of_its_own() -> None:
    random = np.random.default_rng(1)
    it = about(random.integers(0, 150, 60), random.integers(1, 120, 60), random.random(60) < 0.3)
    values = columns(60)
    found = slices(values, it, "sasrec", BOOTSTRAP)
    users: Counter[str] = Counter()
    for part in found:
        users[part.by] += part.users
    assert users == {"rarity": 60, "history": 60, "ties": 60}
    rare = next(part for part in found if part.name == "5-19")
    inside = (it.rarity >= 5) & (it.rarity < 20)
    assert rare.users == inside.sum() > 0
    for section, metric in KEYS:
        own, taught = values["delrec", section, metric][inside], values["sasrec", section, metric][inside]
        figure = rare.models["delrec"][f"{section}.{metric}"]
        assert figure.value == pytest.approx(own.mean(), abs=1e-8)
        assert figure.low < figure.value < figure.high
        assert rare.differences["delrec"][f"{section}.{metric}"].value == pytest.approx((own - taught).mean(), abs=1e-8)
    assert set(rare.models["delrec"]) == {f"{section}.{metric}" for section, metric in KEYS}
    assert set(rare.differences) == {"delrec"}  # not the teacher with itself
    untied = next(part for part in found if part.name == "untied")
    kept = values["delrec", "full", "NDCG@10"][~it.tied].mean()
    assert untied.models["delrec"]["full.NDCG@10"].value == pytest.approx(kept, abs=1e-8)


def test_a_slice_without_users_says_so_and_has_no_figures() -> None:
    found = slices(columns(3), about(np.array([7, 8, 9])), "sasrec", BOOTSTRAP)
    empty = [it for it in found if not it.users]
    assert {it.name for it in empty} >= {"0", "1-4", "20-99", "100+", "tied"}
    assert all(it.models == {} and it.differences == {} for it in empty)


def test_pairs_are_of_the_same_users_so_a_shared_swing_cancels() -> None:
    values = {key: array + np.linspace(0, 5, 60) for key, array in columns(60).items()}
    found = slices(values, about(np.full(60, 3)), "sasrec", BOOTSTRAP)
    part = next(it for it in found if it.name == "1-4" and it.by == "rarity")
    apart, own = part.differences["delrec"]["full.HR@10"], part.models["delrec"]["full.HR@10"]
    assert apart.high - apart.low < (own.high - own.low) / 2


def make_dataset(sequences: list[list[int]], times: list[list[int]]) -> Dataset:
    titles = tuple("abcdefgh")
    return Dataset(
        name="toy",
        catalogue=Catalogue(titles, (None,) * 8, ((),) * 8, titles),
        sequences=tuple(np.array(items, np.int64) for items in sequences),
        timestamps=tuple(np.array(moments, np.int64) for moments in times),
        user_ids=tuple(map(str, range(len(sequences)))),
        source="a test",
    )


def test_the_context_counts_training_interactions_lengths_and_ties() -> None:
    dataset = make_dataset([[0, 1, 2, 3], [0, 1, 4, 2], [5, 0, 3, 1, 6]], [[1, 2, 3, 3], [1, 1, 2, 3], [0, 1, 2, 4, 4]])
    split = split_dataset(dataset, DataConfig(min_interactions=3))
    it = context(dataset, split, split.test)
    assert it.popularity.tolist() == [3, 2, 0, 1, 0, 1, 0, 0]
    assert it.rarity.tolist() == [1, 0, 0]  # of items 3, 2, 6, in training only
    assert it.lengths.tolist() == [3, 3, 4]
    assert it.tied.tolist() == [True, False, True]
    assert it.train_users == 3
    some = split.test.take([2, 0])
    assert context(dataset, split, some).tied.tolist() == [True, True]
    part = it.take(np.array([1]))
    assert (part.rarity.tolist(), part.lengths.tolist(), part.tied.tolist()) == ([0], [3], [False])


def test_a_target_without_a_history_ties_with_nothing() -> None:
    dataset = make_dataset([[0, 1, 2]], [[1, 1, 1]])
    split = split_dataset(dataset, DataConfig(min_interactions=3))
    asked = Examples(np.array([0]), (np.array([], np.int64),), np.array([2]))
    assert context(dataset, split, asked).tied.tolist() == [False]


def test_every_run_writes_slices_for_every_row(tmp_path: Path) -> None:
    from engine.evaluate import Report
    from engine.monitor import Monitor
    from engine.pipeline import run_pipeline
    from engine.settings import load_config

    more = ("teacher.epochs=2", "distill.prompt=none", "finetune.enabled=false", "plus.enabled=false")
    config = load_config("smoke", overrides=more)
    written: dict[str, Any] = run_pipeline(config, tmp_path / "run", Monitor())
    report = Report.model_validate(written)
    rows = {row.name for row in report.models}
    for part in report.slices:
        assert set(part.models) == (rows if part.users else set())
    assert sum(it.users for it in report.slices if it.by == "rarity") == report.users
    assert any(it.users for it in report.slices if it.name == "tied")  # the generated days tie
    assert {"coverage@10", "gini@10", "novelty@10", "diversity@10", "popularity@10"} == set(report.models[0].lists)
