"""Parts of the published data sets as they reach a user's disk, with the counts that are published or were counted by
other code. They are not in the repository: see the skip for where a user gets the originals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from test_readers import load

from engine.data import Dataset, statistics

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
Load = Callable[..., Dataset]


def published(folder: str) -> Path:
    if not (SHARED / folder).is_dir():
        pytest.skip(
            f"../shared/data/{folder} is not here; GroupLens, the McAuley lab and RecBole publish the originals"
        )
    return SHARED / folder


def sizes(dataset: Dataset) -> tuple[int, int, int]:
    return dataset.n_users, len(dataset.catalogue), dataset.n_interactions


def rare_share(dataset: Dataset) -> float:
    from engine.config import DataConfig
    from engine.data import split_dataset

    split = split_dataset(dataset, DataConfig())
    return float((split.popularity()[split.test.targets] < 5).mean())


@pytest.mark.parametrize("name", ["recbole", "beauty"])
def test_beauty(name: str) -> None:
    dataset = load(name, published("amazon-beauty"), min_interactions=5, min_item_interactions=None)
    assert sizes(dataset) == (22_363, 12_101, 198_502)
    assert rare_share(dataset) == pytest.approx(0.212, abs=0.0005)
    assert dataset.cleaning is not None
    assert dataset.cleaning.untitled == 7
    assert not [title for title in dataset.catalogue.titles if "&egrave;" in title]


def test_office() -> None:
    dataset = load("recbole", published("amazon-office"), min_interactions=5)
    assert sizes(dataset) == (4_905, 2_420, 53_258)
    assert rare_share(dataset) == pytest.approx(0.235, abs=0.0005)
    assert (dataset.catalogue.genres[0][-1], dataset.catalogue.brands[0]) == ("Cordless Telephones", "VTech")


def test_movielens_latest_small() -> None:
    for path in (published("ml-latest-small"), published("ml-latest-small") / "ml-latest-small.zip"):
        dataset = load("ml-latest", path, min_interactions=5)
        assert sizes(dataset) == (610, 9_724, 100_836)
    assert rare_share(dataset) == pytest.approx(0.146, abs=0.0005)
    assert dataset.catalogue.display(0) == "Toy Story (1995)"


def test_movielens_1m() -> None:
    dataset = load("ml-1m", published("ml-1m"))
    assert (dataset.n_users, dataset.n_interactions) == (74, 10_410)
    assert any("é" in title for title in dataset.catalogue.titles)


def test_steam() -> None:
    dataset = load("steam", published("steam"), min_interactions=3)
    assert dataset.cleaning is not None
    told = dataset.cleaning.summary()
    assert dataset.cleaning.rows == 59_161
    assert "919 repeats" in told
    assert "10,091 dates without a year are taken for 2016" in told
    assert "of items that the items file lacks" in told


def test_amazon_2014() -> None:
    folder = published("amazon-2014")
    music = load("amazon-2014", folder, category="Digital_Music")
    assert "Memory of Trees" in music.catalogue.titles
    bare = load("amazon-2014", folder, category="Musical_Instruments", unlisted="id", min_interactions=5)
    assert sizes(bare) == (1_429, 900, 10_261)
    assert statistics(bare).tie_share > 0.1  # whole days


def test_amazon_2018() -> None:
    dataset = load("amazon-2018", published("amazon-2018"))
    assert dataset.cleaning is not None
    assert dataset.cleaning.rows == 2_972
    assert sum(step.interactions for step in dataset.cleaning.dropped.values()) + dataset.n_interactions == 2_972
    assert not [title for title in dataset.catalogue.titles if "&#39;" in title or title != title.strip()]


def test_amazon_2023() -> None:
    dataset = load("amazon-2023", published("amazon-2023"), min_interactions=5, min_item_interactions=None)
    assert sizes(dataset) == (253, 356, 2_535)
    assert rare_share(dataset) == pytest.approx(0.688, abs=0.0005)
    assert dataset.catalogue.display(0).startswith("Besame Cosmetics")
