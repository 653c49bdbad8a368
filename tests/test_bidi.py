"""Sentences keep their direction, whatever titles stand in them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bidi import FIRST_STRONG, POP, isolated, pieces, sentence

HEBREW, ARABIC = "\u05e9\u05dc\u05d5\u05dd", "\u0623\u0646\u0627"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
RIGHT_TO_LEFT = [HEBREW, ARABIC, PERSIAN, f"{HEBREW} {ARABIC}", f"{HEBREW} (1995)", f"{HEBREW} 2: {ARABIC}", "\u0710"]


def base_direction(text: str) -> str:
    """That of a plain-text paragraph (UAX #9, P2 and P3): of the first strong character outside of isolates."""
    depth = 0
    for char in text:
        depth += (char in "\u2066\u2067\u2068") - (char == POP)
        kind = unicodedata.bidirectional(char)
        if depth == 0 and kind in ("L", "R", "AL"):
            return kind
    return "L"


@pytest.mark.parametrize("title", RIGHT_TO_LEFT)
def test_a_sentence_that_begins_with_a_title_keeps_its_direction(title: str) -> None:
    assert base_direction(f"{title} stands at #1.") in ("R", "AL")
    assert base_direction(f"{isolated(title)} stands at #1.") == "L"
    assert base_direction(sentence(f"{title} stands at #1.")) == "L"
    assert isolated(title) == f"{FIRST_STRONG}{title}{POP}"


@pytest.mark.parametrize("title", ["Heat", "", "\u4e00", "\u0428\u0443\u043c", "\U0001f600 Smile", "1984", "Caf\u00e9"])
def test_other_titles_stay_as_they_are(title: str) -> None:
    assert isolated(title) == sentence(title) == title


def test_runs_of_words_with_what_stands_between_them_are_one_piece() -> None:
    text = f"With {HEBREW}, {ARABIC}! in the place of Heat and {PERSIAN} (1995)."
    assert [piece for piece, alone in pieces(text) if alone] == [f"{HEBREW}, {ARABIC}", PERSIAN]
    marked = f"{isolated(f'{HEBREW} Heat (1995)')} and {ARABIC}"
    assert pieces(marked) == [(f"{HEBREW} Heat (1995)", True), (" and ", False), (ARABIC, True)]


@given(st.text(st.characters(exclude_characters=FIRST_STRONG + POP)))
def test_nothing_of_a_text_is_lost(text: str) -> None:
    assert "".join(piece for piece, _ in pieces(text)) == text
    assert sentence(text).replace(FIRST_STRONG, "").replace(POP, "") == text
    assert base_direction(sentence(text)) == "L"
