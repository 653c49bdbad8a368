"""Titles outside, dense ids inside."""

from __future__ import annotations

import pytest

from engine.data import Catalogue
from engine.errors import StudioError


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(
        titles=("Chasing Amy", "Sabrina", "Sabrina", "chasing amy", "Unknown Title"),
        years=(1997, 1954, 1995, 1997, None),
        genres=(("Drama",), (), (), (), ()),
        raw_ids=("246", "485", "274", "268", "267"),
    )


def test_display_adds_the_year_where_it_is_known(catalogue: Catalogue) -> None:
    assert [catalogue.display(item) for item in (0, 4)] == ["Chasing Amy (1997)", "Unknown Title"]


def test_items_that_read_alike_are_known_to_be(catalogue: Catalogue) -> None:
    assert catalogue.look_alikes.tolist() == [0, 1, 2, 0, 4]


@pytest.mark.parametrize(
    "twin",
    [
        "cafe\u0301 de\u0301ja\u0300 vu",
        "CAF\u00c9 D\u00c9J\u00c0 VU",
        "Caf\u00e9 d\u00e9j\u200b\u00e0 vu",
        "Caf\u00e9\u200d d\u00e9j\u00e0 v\ufe0fu",
        "Cafe\u0301  d\u00e9j\u00e0\u00a0vu",
    ],
)
def test_titles_that_differ_only_in_what_nobody_sees_look_alike(twin: str) -> None:
    titles = ("Cafe deja vu", "Caf\u00e9 d\u00e9j\u00e0 vu", twin, "Caf\u00e8 d\u00e9j\u00e0 vu")
    catalogue = Catalogue(titles, (None,) * 4, ((),) * 4, tuple("abcd"))
    assert catalogue.look_alikes.tolist() == [0, 1, 1, 3]


def test_own_titles_get_ids_behind_the_known_ones(catalogue: Catalogue) -> None:
    own = catalogue.extended(["The Matrix (1999)", "My\nHoliday  Film"])
    assert (len(own), own.n_known, catalogue.n_known) == (7, 5, 5)
    assert [own.display(item) for item in (5, 6)] == ["The Matrix (1999)", "My Holiday Film"]
    assert own.titles[:5] == catalogue.titles
    assert own.extended(["Third"]).n_known == 5
    assert len(set(own.extended(["Third"]).raw_ids)) == 8


def test_an_empty_own_title_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(StudioError, match="title is empty"):
        catalogue.extended(["Heat", " \t"])


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Catalogue(("Heat",), (1995, 1996), ((),), ("1",))
