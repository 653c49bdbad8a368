"""Catalogue titles come out as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.naming import ARTICLES, article_first, clean, natural_title, split_year


@pytest.mark.parametrize(
    ("published", "title", "year", "aliases"),
    [
        ("Toy Story (1995)", "Toy Story", 1995, ()),
        ("Empire Strikes Back, The (1980)", "The Empire Strikes Back", 1980, ()),
        ("Fish Called Wanda, A (1988)", "A Fish Called Wanda", 1988, ()),
        ("American in Paris, An (1951)", "An American in Paris", 1951, ()),
        ("Misérables, Les (1995)", "Les Misérables", 1995, ()),
        ("Enfer, L' (1994)", "L'Enfer", 1994, ()),
        ("Boot, Das (1981)", "Das Boot", 1981, ()),
        ("Postino, Il (1994)", "Il Postino", 1994, ()),
        ("Good, The Bad and The Ugly, The (1966)", "The Good, The Bad and The Ugly", 1966, ()),
        ("Godfather: Part II, The (1974)", "The Godfather: Part II", 1974, ()),
        ("Hate (Haine, La) (1995)", "Hate", 1995, ("La Haine",)),
        ("Convent, The (Convento, O) (1995)", "The Convent", 1995, ("O Convento",)),
        ("Seven (Se7en) (1995)", "Seven", 1995, ("Se7en",)),
        ("Mrs. Brown (Her Majesty, Mrs. Brown) (1997)", "Mrs. Brown", 1997, ("Her Majesty, Mrs. Brown",)),
        ("Land Before Time III (1995) (V)", "Land Before Time III", 1995, ()),
        ("Contact (1997/I)", "Contact", 1997, ()),
        ("Paris, Texas (1984)", "Paris, Texas", 1984, ()),
        ("Murder, My Sweet (1944)", "Murder, My Sweet", 1944, ()),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968, ()),
        ("1984", "1984", None, ()),
        ("unknown", "unknown", None, ()),
    ],
)
def test_known_titles(published: str, title: str, year: int | None, aliases: tuple[str, ...]) -> None:
    assert natural_title(published) == (title, year, aliases)


def test_a_title_that_is_only_a_year_in_parentheses_stays() -> None:
    assert split_year("(1999)") == ("(1999)", None)


@given(
    st.sampled_from([article for article in ARTICLES if article.isalpha()]),
    st.from_regex(r"[A-Z][a-z]{2,9}", fullmatch=True),
)
def test_an_article_moved_to_the_front_is_not_moved_again(article: str, word: str) -> None:
    natural = article_first(f"{word}, {article}")
    assert natural == f"{article} {word}"
    assert article_first(natural) == natural


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert cleaned == " ".join(cleaned.split())
    assert clean(cleaned) == cleaned
