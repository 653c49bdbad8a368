"""An item that is called just so is never taken for another, whatever it is called and however it is asked for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data import Catalogue, match_titles
from engine.data.references import by_id
from engine.data.search import TitleSearch
from engine.data.title_parsing import clean
from engine.errors import StudioError
from engine.explain.explanandum import find_item
from engine.recommend import ambiguities, understand

WRITTEN = (
    *("C", "C++", "C#", "c--", "!C", "Boys", "Les Boys", "The Boys", "Boys, The", "Pêche", "Péché", "Peche", "PÊCHE?"),
    *("Steins;Gate", "Steins", "Gate", "a|b", "a\\b", "\\frac{1}{2}", "C:\\;", "I, Robot", "Robot", "Die Hard", "Hard"),
    *("'single'", "single", '"double"', "double", "“double”", "- Minus", "Minus", "1. FC", "FC", "7) Up", "Up"),
    *("!!!", "???", "!!", "...", "…", "-", "*", "1", "7", "Seven", "VII", "12", "Twelve", "1e5", "2001", "0", "007"),
    *(
        "😀",
        "😀😀",
        "😀 Smile",
        "Smile",
        "👨‍👩‍👧",
        "שלום",
        "سلام",
        "مىخواهم",
        "میخواهم",
        "می\u200cخواهم",
        "❤",
        "❤\ufe0f",
        "你好",
        "Ｃ",
        "ﬁn",
        "fin",
        "ẞ",
        "ss",
        "İ",
    ),
    *("id:7", "id:none", "#hash", "hash", "%s {0}", "None", "nan", "null", "true", "<b>Bold</b>", "R&amp;B", "R&B"),
    *("R and B", "Rocky II", "Rocky 2", "Rocky Part II", "M*A*S*H", "MASH", "Star Trek", "Star Trek: Generations", "A"),
    *("Heat (1995)", "Heat", "x" * 400, "x" * 401, "Amélie: or, Fate", "Amelie", "=1+1", "[link](http://x.invalid)"),
)
NASTY = tuple(map(clean, WRITTEN))
"""As a catalogue reads them from its file."""
IDS = tuple(str(len(NASTY) - number) for number in range(len(NASTY)))
"""Many of them are titles, or the number in one, of another item."""
CATALOGUE = Catalogue(NASTY, (None,) * len(NASTY), ((),) * len(NASTY), IDS)
SEARCH = TitleSearch(CATALOGUE, list(range(len(NASTY))))


@pytest.mark.parametrize("item", range(len(NASTY)), ids=[ascii(title)[:30] for title in NASTY])
def test_every_title_is_itself_wherever_it_is_given(item: int) -> None:
    title = NASTY[item]
    for typed in (title, f"  {title}\t", unicodedata.normalize("NFD", title)):
        assert match_titles(CATALOGUE, [typed])[0].item == item, typed
        if not title.startswith("id:"):
            assert find_item(CATALOGUE, typed) == item
            assert SEARCH.find(typed)[0] == item
            assert understand([typed], CATALOGUE)[0].item == item


@pytest.mark.parametrize("item", range(len(NASTY)))
def test_a_reference_is_the_item_whatever_others_are_called(item: int) -> None:
    reference = CATALOGUE.choice(item).reference
    assert find_item(CATALOGUE, reference) == item
    assert understand([reference], CATALOGUE)[0].item == item
    assert SEARCH.find(reference)[0] == item


@given(st.lists(st.text(st.sampled_from("aAáÁ '!.;\\1I"), min_size=1, max_size=4), min_size=2, max_size=8))
def test_one_catalogue_of_look_alikes_after_another(texts: list[str]) -> None:
    titles = tuple(dict.fromkeys(title for title in (" ".join(text.split()) for text in texts) if title))
    catalogue = Catalogue(
        titles, (None,) * len(titles), ((),) * len(titles), tuple(f"i{n}" for n in range(len(titles)))
    )
    assert [match.item for match in match_titles(catalogue, titles)] == list(range(len(titles)))
    search = TitleSearch(catalogue, [0] * len(titles))
    assert [search.find(title)[0] for title in titles] == list(range(len(titles)))


def test_letter_case_gives_way_before_accents_do() -> None:
    found = {
        typed: match_titles(CATALOGUE, [typed])[0].item for typed in ("péché", "PÊCHE", "les boys", "c++", "ROCKY II")
    }
    assert {typed: NASTY[item or 0] for typed, item in found.items()} == {
        "péché": "Péché", "PÊCHE": "Pêche", "les boys": "Les Boys", "c++": "C++", "ROCKY II": "Rocky II",
    }  # fmt: skip


def test_among_those_that_are_forgiven_the_likest_text_wins() -> None:
    for typed, found in (("c ++", "C++"), ("(C#)", "C#")):
        assert NASTY[match_titles(CATALOGUE, [typed])[0].item or 0] == found, typed


def test_the_year_that_is_displayed_is_part_of_an_exact_title() -> None:
    catalogue = Catalogue(("C", "C++", "C++", "C"), (1995, 1995, 2001, 2001), ((),) * 4, tuple("abcd"))
    for item in range(4):
        assert match_titles(catalogue, [catalogue.display(item)])[0].item == item
        assert match_titles(catalogue, [catalogue.display(item).lower()])[0].item == item


def test_a_title_of_its_own_goes_before_another_s_alternative_one() -> None:
    catalogue = Catalogue(("Hate", "Haine", "Ran"), (None,) * 3, ((),) * 3, tuple("abc"), (("La Haine", "Ran"), (), ()))
    assert [match.item for match in match_titles(catalogue, ["La Haine", "la haine", "Haine", "Ran"])] == [0, 0, 1, 2]


@pytest.mark.parametrize("text", ["", " ", "?", "!!!!", "😀😀😀😀😀😀😀😀"])
def test_punctuation_alone_is_not_taken_for_other_punctuation(text: str) -> None:
    assert match_titles(CATALOGUE, [text])[0].item is None


def test_a_text_without_words_is_searched_as_it_stands() -> None:
    assert [NASTY[item] for item in SEARCH.find("!!")[:2]] == ["!!", "!!!"]
    assert NASTY[SEARCH.find("++")[0]] == "C++"
    assert NASTY[SEARCH.find("c+")[0]] == "C++"
    assert NASTY[SEARCH.find("péch")[0]] == "Péché"


SAME = Catalogue(("Same",) * 12 + ("Other", "same"), (None,) * 13 + (1999,), ((),) * 14, tuple("abcdefghijklmn"))


def test_items_displayed_alike_can_all_be_picked_and_told_apart() -> None:
    found = TitleSearch(SAME, [0] * 14).find("Same")
    choices = [SAME.choice(item) for item in found]
    assert set(range(12)) <= set(found)
    assert len({choice.title for choice in choices}) == len({choice.reference for choice in choices}) == len(choices)
    assert SAME.choice(12).title == "Other", "without an id where none is needed"


def test_a_text_that_fits_several_is_said_in_a_history_and_refused_for_one_item() -> None:
    (entry,) = understand(["Same"], SAME)
    assert (entry.item, len(entry.alike)) == (0, 11)
    (said,) = ambiguities([entry])
    assert "title of 12 items" in said
    assert "id:b" in said
    assert ambiguities(understand(["id:c", "Other"], SAME)) == []
    with pytest.raises(StudioError, match=r"12 items are called 'Same'.*write id:a"):
        find_item(SAME, "Same", "--item")
    assert find_item(SAME, "same") == 13, "with the letter case as displayed there is only one"


@pytest.mark.parametrize("entry", ["id:x", "id:", "id: 99999"])
def test_an_id_that_nothing_has_is_refused(entry: str) -> None:
    for ask in (lambda: find_item(SAME, entry), lambda: understand(["Other", entry], SAME)):
        with pytest.raises(StudioError, match="no item has the id"):
            ask()


def test_a_bare_id_names_an_item_unless_a_title_is_just_so() -> None:
    catalogue = Catalogue(("7", "Seven", "Heat"), (None,) * 3, ((),) * 3, ("1", "7", "8"))
    assert [find_item(catalogue, text) for text in ("7", "id:7", "8", "1")] == [0, 1, 2, 0]


def test_own_titles_have_no_id_to_refer_to() -> None:
    own = SAME.extended(["Mine"])
    assert own.item_of(own.raw_ids[-1]) is None
    assert by_id("a") == SAME.choice(0).reference
