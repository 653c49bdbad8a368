"""The real MovieLens-100K: the published facts, whatever source it came from."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.config import DataConfig
from engine.data import Dataset, candidate_sets, load_dataset, match_titles, split_dataset, statistics
from engine.data.movielens import GENRES, NAMELESS_TITLE
from engine.monitor import Monitor

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def ml100k(real_home: Path) -> Dataset:
    return load_dataset(DataConfig(), 0, Monitor())


def test_size_and_ties_as_published(ml100k: Dataset) -> None:
    found = statistics(ml100k)
    assert (found.users, found.items, found.interactions) == (943, 1682, 100_000)
    assert found.tie_share == pytest.approx(0.51, abs=0.005)
    assert found.test_tie_share == pytest.approx(0.44, abs=0.005)
    assert found.look_alikes == 18
    assert min(map(len, ml100k.sequences)) == 20


def test_titles_read_naturally(ml100k: Dataset) -> None:
    catalogue = ml100k.catalogue
    shown = {raw: catalogue.display(item) for item, raw in enumerate(catalogue.raw_ids)}
    assert shown["1"] == "Toy Story (1995)"
    assert shown["172"] == "The Empire Strikes Back (1980)"
    assert shown["543"] == "Les Misérables (1995)"
    assert shown["1535"] == "L'Enfer (1994)"
    assert shown["267"] == NAMELESS_TITLE
    assert shown["1412"] == "Land Before Time III: The Time of the Great Giving (1995)"
    assert [raw for item, raw in enumerate(catalogue.raw_ids) if catalogue.years[item] is None] == ["267"]
    assert not [title for title in catalogue.titles if "(" in title or title.endswith((", The", ", A", ", La", ", L'"))]


def test_the_files_order_breaks_ties(ml100k: Dataset) -> None:
    """User 1 began with two items at 874965478, and three at 874965706, in this order in u.data."""
    user = ml100k.user_ids.index("1")
    first = [ml100k.catalogue.raw_ids[item] for item in ml100k.sequences[user][:10]]
    assert first == ["168", "172", "165", "156", "196", "166", "187", "14", "250", "127"]
    assert ml100k.user_ids == tuple(str(number) for number in range(1, 944))


def test_the_published_format_gives_the_same_data(ml100k: Dataset, tmp_path: Path) -> None:
    """GroupLens' archive, rebuilt from the facts at hand, reads back to an equal data set."""
    catalogue = ml100k.catalogue
    items = ""
    for item, raw in enumerate(catalogue.raw_ids):
        kinds = catalogue.genres[item] or ("unknown",)
        flags = "|".join("1" if genre in kinds else "0" for genre in GENRES)
        alternative = "".join(f" ({alias})" for alias in catalogue.aliases[item])
        year = catalogue.years[item]
        title = f"{catalogue.titles[item]}{alternative} ({year})" if year else "unknown"
        items += f"{raw}|{title}|||url|{flags}\n"
    log = "".join(
        f"{user}\t{catalogue.raw_ids[item]}\t3\t{moment}\n"
        for user, sequence, times in zip(ml100k.user_ids, ml100k.sequences, ml100k.timestamps, strict=True)
        for item, moment in zip(sequence.tolist(), times.tolist(), strict=True)
    )
    with zipfile.ZipFile(tmp_path / "ml-100k.zip", "w") as archive:
        archive.writestr("ml-100k/u.data", log)
        archive.writestr("ml-100k/u.item", items.encode("latin-1"))
    rebuilt = load_dataset(DataConfig(path=str(tmp_path)), 0, Monitor())
    assert rebuilt.catalogue == catalogue
    assert all(np.array_equal(a, b) for a, b in zip(rebuilt.sequences, ml100k.sequences, strict=True))


def test_both_protocols(ml100k: Dataset) -> None:
    assert len(split_dataset(ml100k, DataConfig()).test) == 943
    temporal = split_dataset(ml100k, DataConfig(split="temporal"))
    assert sum(map(len, temporal.train)) == pytest.approx(80_000, abs=50)
    assert (len(temporal.validation), len(temporal.test)) == (81, 90)


@pytest.mark.parametrize("negatives", ["uniform", "popularity"])
def test_candidates_of_all_users(ml100k: Dataset, negatives: str) -> None:
    config = DataConfig(negatives=negatives)
    test = split_dataset(ml100k, config).test
    sets = candidate_sets(ml100k, test, config, 0, "test")
    assert sets.shape == (943, 20)
    for user, target, row in zip(test.users, test.targets, sets.tolist(), strict=True):
        assert len({ml100k.catalogue.display(item) for item in row}) == 20
        assert set(row) & set(ml100k.sequences[user].tolist()) == {target}


def test_popularity_on_uniform_candidates_meets_the_yardstick(ml100k: Dataset) -> None:
    """HR@1 .243 and HR@5 .659 over 943 users (standard error .014), counted from the files by other code."""
    config = DataConfig()
    split = split_dataset(ml100k, config)
    popularity = split.popularity() + np.linspace(0, 0.5, split.n_items)  # no ties
    ranks = []
    for seed in range(3):
        scores = popularity[candidate_sets(ml100k, split.test, config, seed, "test")]
        ranks.append((scores > popularity[split.test.targets][:, None]).sum(1))
    assert np.mean(np.concatenate(ranks) < 1) == pytest.approx(0.243, abs=0.015)
    assert np.mean(np.concatenate(ranks) < 5) == pytest.approx(0.659, abs=0.015)


def test_typed_titles_find_films_and_newer_ones_are_not_invented(ml100k: Dataset) -> None:
    queries = ["empire strikes back", "raiders of the lost arc", "godfather 2", "12 monkeys", "la haine"]
    found = [ml100k.catalogue.display(match.item or 0) for match in match_titles(ml100k.catalogue, queries)]
    assert found == [
        "The Empire Strikes Back (1980)",
        "Raiders of the Lost Ark (1981)",
        "The Godfather: Part II (1974)",
        "Twelve Monkeys (1995)",
        "Hate (1995)",
    ]
    newer = ["The Matrix", "Inception", "Parasite", "Frozen", "Gladiator", "Moonlight", "Rocky", "Scream 3", "Avatar"]
    assert [match.item for match in match_titles(ml100k.catalogue, newer)] == [None] * len(newer)
