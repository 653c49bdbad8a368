"""Lists of titles and references to items are written in one way, and read back whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.references import UserLabels, by_id, checked_titles, id_in, join_titles, resolve_user, split_titles
from engine.data.title_parsing import clean
from engine.errors import StudioError

PIECES = st.text(st.sampled_from("aB;\\|, \"'\n#:😀ש!"), max_size=8)
TITLES = PIECES.map(clean).filter(lambda title: title and not title.startswith("id:"))


@given(st.lists(TITLES | TITLES.map(by_id), max_size=5))
def test_what_was_joined_comes_apart_again(entries: list[str]) -> None:
    assert split_titles(join_titles(entries)) == entries


@given(TITLES, TITLES)
def test_a_title_with_the_separator_stays_whole(before: str, after: str) -> None:
    title = clean(f"{before};{after}")
    assert split_titles(join_titles([title])) == [title]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("Toy Story; Star Wars;", ["Toy Story", "Star Wars"]),
        ("Toy Story\r\n\n  Star Wars \n", ["Toy Story", "Star Wars"]),
        ("Steins\\;Gate; Gate", ["Steins;Gate", "Gate"]),
        ("Steins\\\\;Gate", ["Steins\\", "Gate"]),
        ("\\frac{1}{2}; a\\b; c\\", ["\\frac{1}{2}", "a\\b", "c\\"]),
        ("\\\\server\\\\share", ["\\server\\share"]),
        ("a|b; I, Robot; \"double\"; 'single'", ["a|b", "I, Robot", '"double"', "'single'"]),
        ("id:50; id: 7 ;id:a  b", ["id:50", "id:7", "id:a  b"]),
        (" ; \n", []),
    ],
)
def test_lists_as_people_write_them(text: str, entries: list[str]) -> None:
    assert split_titles(text) == entries


def test_a_reference_is_told_from_a_title() -> None:
    assert [id_in(entry) for entry in ("id:50", " id: x y ", "ID:50", "50", "idle:1", "#50")] == [
        "50", "x y", None, None, None, None,
    ]  # fmt: skip


def test_an_endless_list_is_refused() -> None:
    assert checked_titles(split_titles("Heat;" * 500)) == ["Heat"] * 500
    with pytest.raises(StudioError, match="at most 500"):
        checked_titles(split_titles("Heat;" * 501))


@pytest.mark.parametrize(
    ("known", "typed", "meant"),
    [
        (["e\u0301", "\xe9"], "\xe9", "\xe9"),
        (["e\u0301", "\xe9"], " e\u0301 ", "e\u0301"),
        (["e\u0301", "a"], "\xe9", "e\u0301"),
        (["\u1100\u1161", "a"], "\uac00", "\u1100\u1161"),
        (["a<U+200B>", "a"], "a\u200b", "a<U+200B>"),
        (["Anna"], "anna", None),
        (["\uff21"], "A", None),
        ([], "x", None),
    ],
)
def test_a_user_is_the_very_one_or_the_only_one_of_that_text(known: list[str], typed: str, meant: str | None) -> None:
    assert resolve_user(known, typed) == meant


@pytest.mark.parametrize(
    ("ids", "shown"),
    [
        (["e\u0301", "\xe9", "a"], ["e\u0301 [e\\u0301]", "\xe9 [\\xe9]", "a"]),
        (["\xe9", "a"], ["\xe9", "a"]),
        (["ab", "a\u200db", "b"], ["ab [ab]", "a\u200db [a\\u200db]", "b"]),
        (["\u1100\u1161", "\uac00"], ["\u1100\u1161 [\\u1100\\u1161]", "\uac00 [\\uac00]"]),
        (["Anna", "anna", "\uff21nna"], ["Anna", "anna", "\uff21nna"]),
    ],
)
def test_users_who_look_alike_are_shown_with_their_code_points(ids: list[str], shown: list[str]) -> None:
    assert list(map(UserLabels(ids), ids)) == shown


def test_users_of_one_text_are_told_apart_by_their_code_points() -> None:
    with pytest.raises(StudioError, match=r"2 users .* 's\\u0323\\u0307' and '\\u1e61\\u0323'"):
        resolve_user(["s\u0323\u0307", "\u1e61\u0323", "s"], "\u1e69")
