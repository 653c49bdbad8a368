"""Catalogue titles come out as people write them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.title_parsing import ARTICLES, article_first, clean, natural_title, shows_nothing, split_year


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


@given(st.text() | st.text("ab \u0301\u200b\u200c\u200d\u202e\u00ad\U0001f3f4\U000e0067\U000e007f\n"))
def test_any_text_becomes_one_line_that_hides_nothing(text: str) -> None:
    cleaned = clean(text)
    assert cleaned == " ".join(cleaned.split())
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in cleaned)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "title",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, a non-joiner within the word
        "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937",  # Devanagari, a joiner and a non-joiner
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3 \u0dbd\u0d82\u0d9a\u0dcf",  # Sinhala
        "The \U0001f468\u200d\U0001f469\u200d\U0001f467 Family",
        "\u2764\ufe0f\u200d\U0001f525",
        "\U0001f3f3\ufe0f\u200d\U0001f308 Pride",
        "1\ufe0f\u20e3 and \U0001f44d\U0001f3fd",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f Scotland",
        "Young \U0001fae9 emoji",  # of Unicode 16, which Python 3.11 does not know
        "\u0600 1444",
    ],
)
def test_what_makes_words_and_emoji_stays(title: str) -> None:
    assert clean(f" {title}\u200e") == title


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\u200bb", "ab"),
        ("super\u00adcali", "supercali"),
        ("\ufeffHeat", "Heat"),
        ("\u202eHeat\u202c", "Heat"),
        ("\u200dHeat \u200c Up\u200c", "Heat Up"),
        ("Heat\x00\x1b[0m", "Heat [0m"),
        ("Heat\ud800Up", "Heat Up"),
        ("Heat\U000e0041\U000e0042", "Heat"),  # tags that belong to no flag: text that only machines see
        ("Heat\uffff\ufdd0", "Heat"),
        ("Cafe\u0301", "Caf\u00e9"),
    ],
)
def test_what_cannot_be_seen_goes(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize("text", ["", "\u200d", "\u3164", "\u2800 \u115f", "\ufe0f"])
def test_a_text_without_anything_to_see_is_known_to_be_one(text: str) -> None:
    assert shows_nothing(clean(text))
    assert not shows_nothing(f"{text}x")
