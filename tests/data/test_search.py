"""Titles are found while they are typed."""

from __future__ import annotations

from engine.data import Catalogue
from engine.data.search import TitleSearch

TITLES = ("Star Wars", "Star Trek: Generations", "Amélie", "The Starling", "Alien", "Aliens", "A Bug's Life")
YEARS = (1977, 1994, 2001, 1990, 1979, 1986, 1998)
CATALOGUE = Catalogue(TITLES, YEARS, ((),) * 7, tuple("1234567"))
SEARCH = TitleSearch(CATALOGUE, [50, 60, 5, 70, 8, 9, 1])


def _found(text: str, most: int = 8) -> list[str]:
    return [TITLES[item] for item in SEARCH.find(text, most)]


def test_beginnings_of_words_are_enough_and_popular_titles_come_first() -> None:
    assert _found("sta")[:3] == ["The Starling", "Star Trek: Generations", "Star Wars"]
    assert _found("star w")[0] == "Star Wars"
    assert _found("wars sta")[0] == "Star Wars", "in any order"


def test_a_whole_word_at_the_beginning_goes_before_a_part_of_one() -> None:
    assert _found("star")[:2] == ["Star Trek: Generations", "Star Wars"]
    assert _found("alien")[:2] == ["Alien", "Aliens"]


def test_accents_case_apostrophes_and_years_do_not_matter() -> None:
    assert _found("AMELIE")[0] == "Amélie"
    assert _found("bugs li")[0] == "A Bug's Life"
    assert _found("1977")[0] == "Star Wars"


def test_what_is_mistyped_is_found_by_likeness() -> None:
    assert _found("Strar Wars")[0] == "Star Wars"


def test_nothing_is_found_for_nothing_and_never_more_than_asked_for() -> None:
    assert _found("") == _found(" ?! ") == _found("zzzzqqq") == []
    assert len(_found("a", 2)) == 2


def test_joiners_within_words_need_not_be_typed() -> None:
    title = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0628\u0631\u0648\u0645"
    search = TitleSearch(Catalogue((title, "Heat"), (None, 1995), ((), ()), ("1", "2")), [1, 1])
    for typed in (title, title.replace("\u200c", ""), title.split()[0].replace("\u200c", "")):
        assert search.find(typed)[0] == 0
