"""Typed titles find their items, and what is not there is not found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data import Catalogue, match_titles

FILMS = {
    "Toy Story": 1995,
    "The Empire Strikes Back": 1980,
    "Sabrina": 1995,
    "sabrina": 1954,
    "The Godfather": 1972,
    "The Godfather: Part II": 1974,
    "Terminator 2: Judgment Day": 1991,
    "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb": 1963,
    "Les Misérables": 1995,
    "Hate": 1995,
    "Heat": 1995,
    "Twelve Monkeys": 1995,
    "M*A*S*H": 1970,
    "L.A. Confidential": 1997,
    "Beauty and the Beast": 1991,
    "Star Trek: First Contact": 1996,
    "Star Trek: Generations": 1994,
    "Alien": 1979,
    "Aliens": 1986,
    "Jaws 2": 1978,
    "The Rock": 1996,
    "The Shawshank Redemption": 1994,
    "L'Enfer": 1994,
}
CATALOGUE = Catalogue(
    titles=tuple(FILMS),
    years=tuple(FILMS.values()),
    genres=((),) * len(FILMS),
    raw_ids=tuple(map(str, range(len(FILMS)))),
    aliases=tuple(("La Haine",) if title == "Hate" else () for title in FILMS),
)
INDEX = {CATALOGUE.display(item): item for item in range(len(CATALOGUE))}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("toy story", "Toy Story (1995)"),
        ("TOY STORY (1995)", "Toy Story (1995)"),
        ("toy stroy", "Toy Story (1995)"),
        ("empire strikes back", "The Empire Strikes Back (1980)"),
        ("Empire Strikes Back, The (1980)", "The Empire Strikes Back (1980)"),
        ("empire strikes back, the", "The Empire Strikes Back (1980)"),
        ("sabrina 1954", "sabrina (1954)"),
        ("Sabrina (1995)", "Sabrina (1995)"),
        ("Toy Story (1996)", "Toy Story (1995)"),
        ("godfather 2", "The Godfather: Part II (1974)"),
        ("the godfather", "The Godfather (1972)"),
        ("terminator 2", "Terminator 2: Judgment Day (1991)"),
        ("les miserables", "Les Misérables (1995)"),
        ("la haine", "Hate (1995)"),
        ("heat", "Heat (1995)"),
        ("12 monkeys", "Twelve Monkeys (1995)"),
        ("mash", "M*A*S*H (1970)"),
        ("la confidential", "L.A. Confidential (1997)"),
        ("Beauty & the Beast", "Beauty and the Beast (1991)"),
        ("aliens", "Aliens (1986)"),
        ("alien", "Alien (1979)"),
        ("l'enfer", "L'Enfer (1994)"),
    ],
)
def test_forgiven(query: str, found: str) -> None:
    (match,) = match_titles(CATALOGUE, [query])
    assert match.item == INDEX[found]
    assert match.item not in match.suggestions


@pytest.mark.parametrize(
    ("query", "suggested"),
    [
        ("Toy Story (2010)", "Toy Story (1995)"),
        ("Jaws 4", "Jaws 2 (1978)"),
        ("Toy Story 2", "Toy Story (1995)"),
        ("Rocky", "The Rock (1996)"),
        ("star trek", "Star Trek: First Contact (1996)"),
        ("shawshank", "The Shawshank Redemption (1994)"),
    ],
)
def test_what_tells_films_apart_is_suggested_not_taken(query: str, suggested: str) -> None:
    (match,) = match_titles(CATALOGUE, [query])
    assert match.item is None
    assert INDEX[suggested] in match.suggestions


@pytest.mark.parametrize("query", ["The Matrix", "Spirited Away", "", "?!", "<script>", "x" * 1000])
def test_what_is_not_there_is_not_found(query: str) -> None:
    (match,) = match_titles(CATALOGUE, [query])
    assert (match.query, match.item, match.suggestions) == (query, None, ())


def test_ambiguous_titles_offer_the_other() -> None:
    (match,) = match_titles(CATALOGUE, ["Sabrina"])
    assert {match.item, *match.suggestions} == {INDEX["Sabrina (1995)"], INDEX["sabrina (1954)"]}


def test_own_titles_are_not_searched() -> None:
    (match,) = match_titles(CATALOGUE.extended(["The Matrix"]), ["The Matrix"])
    assert match.item is None


@given(st.sampled_from(sorted(INDEX)))
def test_every_displayed_title_finds_itself(shown: str) -> None:
    assert [match.item for match in match_titles(CATALOGUE, [shown, shown.upper()])] == [INDEX[shown]] * 2


@given(st.lists(st.text(max_size=40), max_size=5))
def test_any_text_is_answered_in_order(queries: list[str]) -> None:
    matches = match_titles(CATALOGUE, queries)
    assert len(matches) == len(queries)
    assert all(match.item is None or 0 <= match.item < len(CATALOGUE) for match in matches)


@pytest.mark.parametrize(
    ("query", "found", "read"),
    [
        ("1. Toy Story", "Toy Story (1995)", "Toy Story"),
        ('2) "Heat"', "Heat (1995)", "Heat"),
        ("- 12 Monkeys", "Twelve Monkeys (1995)", "12 Monkeys"),
        ("• Alien", "Alien (1979)", "Alien"),
        ("3. “The Matrix”", None, "The Matrix"),
        ("12 Angry Men", None, "12 Angry Men"),
        ("8 1/2", None, "8 1/2"),
        ("-", None, "-"),
    ],
)
def test_what_a_list_puts_around_its_titles_is_forgiven(query: str, found: str | None, read: str) -> None:
    (match,) = match_titles(CATALOGUE, [query])
    assert (match.item, match.query) == (None if found is None else INDEX[found], read)
