"""Long titles in sentences: cut so that each can still be told from the others, and whole behind that."""

from __future__ import annotations

import html
import re

import pytest
from inspect_world import explanation, item, read

from webapp.inspect.views import answer as view
from webapp.inspect.views import reasons as reasons_view
from webapp.inspect.views.titles import LONGEST, readable, shortened

SAME = "A Brush Set with Pouch, of twelve Brushes and One Pouch, for all who"
LONG = [f"{SAME} paint, in Red", f"{SAME} paint, in Blue", "x" * 90, "q" * 60 + " [id:7]", '<b title="x">' * 5,
        ("å " * 40).strip(), "An end on a comma, that is taken away where it stands,",
        f"{SAME} [id:5]", f"{SAME} [id:6]",
        ("ספר " * 20).strip()]  # fmt: skip
SHORT = ["Heat (1995)", "y" * LONGEST]


def test_no_two_titles_are_cut_to_the_same_words_and_short_ones_stay() -> None:
    found = shortened([*LONG, *SHORT])
    assert not found.keys() & set(SHORT)
    whole = [found.get(title, title) for title in (*LONG, *SHORT)]
    assert len(set(whole)) == len(whole)
    for title, cut in found.items():
        words, _, identity = cut.partition("…")
        assert title.startswith(words)
        assert title.endswith(identity)
        assert len(cut) < len(title)
    assert {"x" * 90, "q" * 60 + " [id:7]", f"{SAME} [id:5]"} <= found.keys()


@pytest.mark.parametrize("title", [*LONG, *SHORT])
def test_a_sentence_shows_the_cut_title_and_keeps_the_whole_one(title: str) -> None:
    values = explanation() | {"target": item(11, title)}
    values["candidates"][1] = item(11, title, chosen_next=False)
    values["why_not"] = {"rank": 2.0, "first": 10, "behind": 0.1, "against": [0], "speaking": [], "raised": None,
                         "tried": 3, "sentence": f"{title} stands at #2."}  # fmt: skip
    values["summary"]["sentence"] = f"Because of {title}, {title} falls."
    report = read(values)
    parts = [view.sentence(report), reasons_view.why_not(report), readable(f"{title}.", report)]
    cut = shortened([title]).get(title, title)
    for drawn in map(str, parts):
        text = html.unescape(re.sub(r"<[^>]*>", "", drawn)).replace("\u2068", "").replace("\u2069", "")
        assert cut in text
        assert (title in text) == (cut == title)
        kept = re.findall(r'<abbr title="([^"]*)"', drawn)
        assert {html.unescape(it).strip("\u2068\u2069") for it in kept} == ({title.strip()} if cut != title else set())
