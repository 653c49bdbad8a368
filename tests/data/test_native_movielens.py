"""The traps of MovieLens' formats and of goodbooks', one by one (most of them were seen in real files)."""

from __future__ import annotations

from pathlib import Path

import pytest
from formats import one_user, titles
from samples import (
    FIRST,
    lines,
)
from test_readers import load, shown

from engine.config import DataConfig
from engine.data.arrow import ArrowReader
from engine.data.readers.ml_1m import READER
from engine.errors import StudioError
from engine.monitor import Monitor


def latest(folder: Path, films: list[str], ratings: str | None = None) -> Path:
    """``films`` as written behind the id."""
    listed = "movieId,title,genres\r\n" + "".join(f"{n},{film},Drama|Comedy\r\n" for n, film in enumerate(films, 1))
    log = ratings or "".join(f"1,{n},4.0,{FIRST + n}\r\n" for n in one_user(len(films)))
    (folder / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\r\n{log}", newline="")
    (folder / "movies.csv").write_text(listed, encoding="utf-8", newline="")
    return folder


def test_titles_of_movielens_latest(tmp_path: Path) -> None:
    films = [
        '"American President, The (1995)"',
        '"Misérables, Les (1998)"',
        "Babylon 5",
        "Death Note: Desu nôto (2006–2007)",
        "Fawlty Towers (1975-1979)",
        "The Big Bang Theory (2007-)",
        "Seven (a.k.a. Se7en) (1995)",
        '"Hate (Haine, La) (1995)"',
        '"11\'09""01 - September 11 (2002)"',
        "Moonlight ",
    ]
    dataset = load("ml-latest", latest(tmp_path, films))
    assert list(titles(dataset).values()) == [
        "The American President (1995)",
        "Les Misérables (1998)",
        "Babylon 5",
        "Death Note: Desu nôto (2006)",
        "Fawlty Towers (1975)",
        "The Big Bang Theory (2007)",
        "Seven (1995)",
        "Hate (1995)",
        "11'09\"01 - September 11 (2002)",
        "Moonlight",
    ]
    assert dataset.catalogue.aliases[6:8] == (("Se7en",), ("La Haine",))
    assert dataset.catalogue.genres[0] == ("Drama", "Comedy")


def test_no_genres_listed_is_no_genre(tmp_path: Path) -> None:
    latest(tmp_path, ["A (2001)", "B (2002)", "C (2003)"])
    movies = tmp_path / "movies.csv"
    movies.write_text(movies.read_text().replace("Drama|Comedy", "(no genres listed)"))
    assert load("ml-latest", tmp_path).catalogue.genres == ((), (), ())


def test_ratings_in_the_order_of_films_become_sequences_in_the_order_of_time(tmp_path: Path) -> None:
    log = "".join(f"1,{film},4.0,{FIRST - film}\r\n" for film in (1, 2, 3))
    dataset = load("ml-latest", latest(tmp_path, ["A", "B", "C"], log))
    assert shown(dataset) == {"1": ["C", "B", "A"]}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_movielens_1m_is_latin_1_and_10m_is_utf_8(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "ratings.dat").write_text(lines(f"1::{n}::5::{FIRST - n}" for n in one_user(3)))
    listed = "1::Misérables, Les (1995)::Drama|Musical\n2::Heat (1995)::Crime\n3::Ça (1958)::\n"
    (tmp_path / "movies.dat").write_bytes(listed.encode(encoding))
    dataset = load("ml-1m", tmp_path)
    assert list(titles(dataset).values()) == ["Les Misérables (1995)", "Heat (1995)", "Ça (1958)"]
    assert dataset.catalogue.genres == (("Drama", "Musical"), ("Crime",), ())
    assert shown(dataset)["1"][0] == "Ça"


LOGS = {
    "plain": ("1::1::5::978300760\n1::2::3::978300759\n", [("1", "1", 0), ("1", "2", -1)]),
    "line ends of Windows": ("1::1::5::978300760\r\n1::2::3::978300759\r\n", [("1", "1", 0), ("1", "2", -1)]),
    "no end": ("1::1::5::978300760\n1::2::3::978300759", [("1", "1", 0), ("1", "2", -1)]),
    "a mark before it": ("\ufeff1::1::5::978300760\n1::2::3::978300759\n", [("1", "1", 0), ("1", "2", -1)]),
    "fractions": ("1::1::4.5::978300760.0\n1::2::3::9.78300759e8\n", [("1", "1", 0), ("1", "2", -1)]),
    "single colons": ("1::1:a::5::978300760\n1::2:::3::978300759\n", [("1", "1:a", 0), ("1", "2", -1)]),
    "tabs in cells": ("1::1\ta::5::978300760\n1::2::3::978300759\n", [("1", "1\ta", 0), ("1", "2", -1)]),
    "quotes": ('"1"::1::"5"::978300760\n1::"::3::978300759\n', [('"1"', "1", 0), ("1", '"', -1)]),
    "a user in latin-1": ("é::1::5::978300760\né::2::3::978300759\n", [("é", "1", 0), ("é", "2", -1)]),
    "an empty line": ("1::1::5::978300760\n\n1::2::3::978300759\n", [("1", "1", 0), ("1", "2", -1)]),
    "a line that was cut off": ("1::1::5::978300760\n1::2::3\n", "line 2"),
    "a further cell": ("1::1::5::978300760\n1::2::3::978300759::x\n", "line 2"),
    "no time": ("1::1::5::978300760\n1::2::3::x\n", "not a timestamp"),
}
"""Ratings, and what they say: user, item and seconds since the first of them."""


@pytest.mark.parametrize("kind", LOGS)
def test_ratings_between_double_colons_are_read_alike_by_arrow_and_without(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = LOGS[kind]
    (tmp_path / "ratings.dat").write_bytes(text.encode("utf-8" if text.startswith("\ufeff") else "latin-1"))
    (tmp_path / "movies.dat").write_text("1::One::Drama\n2::Two::Drama\n")
    for fast in (True, False):
        if not fast:
            monkeypatch.setattr(ArrowReader, "table", lambda *_: None)
        if isinstance(expected, str):
            with pytest.raises(StudioError, match=expected):
                READER.read(DataConfig(dataset="ml-1m", path=str(tmp_path)), 0, Monitor())
            continue
        log = READER.read(DataConfig(dataset="ml-1m", path=str(tmp_path)), 0, Monitor()).log
        rows = zip(log.users.tolist(), log.items.tolist(), (log.times - log.times[0]).tolist(), strict=True)
        assert [(log.user_ids[user], log.item_ids[item], time) for user, item, time in rows] == expected


def test_books_join_on_book_id_and_years_may_be_negative_or_floats(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user_id,book_id,rating\n" + lines(f"1,{n},5" for n in (3, 1, 2, 4)))
    header = "id,book_id,best_book_id,authors,original_publication_year,original_title,title\n"
    books = ['9,1,7,"Homer, Robert Fagles",-720.0,,The Odyssey', "8,2,7,A,2008.0,,B", "7,3,7,C,,,D", "6,4,7,E,800,,F"]
    (tmp_path / "books.csv").write_text(header + lines(books))
    dataset = load("goodbooks-10k", tmp_path, text="title+brand")
    assert shown(dataset) == {"1": ["D", "The Odyssey", "B", "F"]}
    assert titles(dataset) == {"1": "The Odyssey", "2": "B (2008)", "3": "D", "4": "F (800)"}
    assert dataset.catalogue.details[0] == " by Homer, Robert Fagles"
    assert dataset.cleaning is not None
    assert "the order of the rows is taken for the time" in dataset.cleaning.summary()
