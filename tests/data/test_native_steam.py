"""The traps of Steam's two formats, one by one (most of them were seen in real files), and the paper's names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formats import titles
from samples import (
    DAY,
    LOG,
    amazon_2014,
    gz,
    lines,
    recbole,
    steam,
    steam_games,
    steam_v2,
)
from test_readers import EXPECTED, load, sample_users

from engine.errors import StudioError


def test_both_versions_of_steam_are_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    steam(tmp_path / "one", LOG)
    steam_v2(tmp_path / "two", LOG)
    first, second = load("steam", tmp_path / "one"), load("steam", tmp_path / "two")
    assert sample_users(first) == sample_users(second) == EXPECTED
    assert all(np.array_equal(a, b) for a, b in zip(first.timestamps, second.timestamps, strict=True))


def reviews(folder: Path, posted: list[str]) -> Path:
    steam_games(folder)
    own = [{"item_id": str(n), "posted": text} for n, text in enumerate(posted, 1)]
    gz(folder / "australian_user_reviews.json.gz", lines([{"user_id": "u", "reviews": own}]))
    return folder


def test_dates_without_a_year_are_of_the_year_after_the_last_one_said(tmp_path: Path) -> None:
    posted = [
        "Posted July 3.",
        "Posted November 5, 2011.",
        "Posted February 29.",
        "Posted December 31, 2014.",
        "Posted 1 May, 2012.",
    ]
    dataset = load("steam", reviews(tmp_path, posted))
    raw = dataset.catalogue.raw_ids
    assert [raw[item] for item in dataset.sequences[0]] == ["2", "5", "4", "3", "1"]
    assert (dataset.timestamps[0] // DAY).tolist()[-1] == 16_619  # 2015-07-03
    assert dataset.cleaning is not None
    assert "2 dates without a year are taken for 2015" in dataset.cleaning.summary()


def test_dates_that_are_none_are_dropped_and_counted(tmp_path: Path) -> None:
    posted = [
        "",
        "Posted soon.",
        "Posted May 1, 2012.",
        "Posted May 2, 2012.",
        "Posted May 32, 2012.",
        "Posted May 3, 2012.",
    ]
    dataset = load("steam", reviews(tmp_path, posted))
    assert dataset.n_interactions == 3
    assert dataset.cleaning is not None
    assert "3 without a time" in dataset.cleaning.summary()


def test_games_without_a_title_without_an_id_and_twice(tmp_path: Path) -> None:
    reviews(tmp_path, [f"Posted May {day}, 2012." for day in range(1, 6)])
    games = [
        {"app_name": "Only its application's name", "id": "1"},
        {"title": "", "app_name": "Fallback", "id": "2"},
        {"title": "No id", "app_name": "No id"},
        {"title": "First", "id": "3"},
        {"title": "Second", "id": "3"},
        {"title": "By number", "id": 4},
        {},
    ]
    gz(tmp_path / "steam_games.json.gz", lines(games))
    dataset = load("steam", tmp_path)
    assert titles(dataset) == {"1": "Only its application's name", "2": "Fallback", "3": "First", "4": "By number"}
    assert dataset.cleaning is not None
    assert "1 of items that the items file lacks [1 item]" in dataset.cleaning.summary()


def test_steam_in_recbole_files(tmp_path: Path) -> None:
    recbole(tmp_path, LOG, "steam-not-merged")
    assert sample_users(load("steam", tmp_path)) == EXPECTED


def test_the_paper_s_names_take_either_format(tmp_path: Path) -> None:
    for name, category in (("beauty", "Beauty"), ("home-and-kitchen", "Home_and_Kitchen")):
        for write in (recbole, amazon_2014):
            folder = tmp_path / f"{name}-{write.__name__}"
            folder.mkdir()
            write(folder, LOG, f"Amazon_{category}" if write is recbole else category)
            assert sample_users(load(name, folder)) == EXPECTED
            other = "beauty" if name != "beauty" else "home-and-kitchen"
            with pytest.raises(StudioError, match=r"looked for|no files of the category"):
                load(other, folder)
