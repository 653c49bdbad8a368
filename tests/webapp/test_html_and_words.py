"""HTML is escaped unless it is HTML already; figures read like people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from engine.bidi import isolated
from jobs.records import RunState
from webapp.formatting import STATES, about, ago, duration, memory, number_in_address
from webapp.html import Html, join, link, tag


def test_text_is_escaped_and_elements_are_not() -> None:
    assert tag("p", "<img src=x>", tag("b", "a & b")) == "<p>&lt;img src=x&gt;<b>a &amp; b</b></p>"


def test_attributes_cannot_be_left() -> None:
    assert link("x", '"><script>') == '<a href="&quot;&gt;&lt;script&gt;">x</a>'


def test_attributes_are_renamed_set_or_left_out() -> None:
    assert (
        tag("input", class_="a", data_run="1", disabled=True, title=None) == '<input class="a" data-run="1" disabled>'
    )


def test_children_may_be_nested_and_missing() -> None:
    assert join(["a", None, [tag("i", 1), ["<"]]]) == "a<i>1</i>&lt;"
    assert isinstance(join("x"), Html)


def test_every_state_of_a_run_has_a_word_of_its_own() -> None:
    assert set(STATES) == set(get_args(RunState))
    assert len(set(STATES.values())) == len(STATES)


HEBREW = "\u05e9\u05dc\u05d5\u05dd"


def test_right_to_left_words_do_not_turn_the_sentences_they_stand_in() -> None:
    assert tag("p", f"{HEBREW} <1> stands at #1.") == f"<p><bdi>{HEBREW}</bdi> &lt;1&gt; stands at #1.</p>"
    assert tag("p", f"{isolated(f'{HEBREW} & (1995)')} falls") == f"<p><bdi>{HEBREW} &amp; (1995)</bdi> falls</p>"
    assert tag("p", [tag("b", HEBREW), " (3)"]) == f"<p><b><bdi>{HEBREW}</bdi></b> (3)</p>"
    assert tag("p", "Heat \u4e00 Caf\u00e9") == "<p>Heat \u4e00 Caf\u00e9</p>"


def test_text_that_no_element_may_stand_in_is_marked_or_left() -> None:
    marked = f"{isolated(HEBREW)} first"
    assert tag("option", f"{HEBREW} first", title=f"{HEBREW} first") == f'<option title="{marked}">{marked}</option>'
    assert tag("title", HEBREW, " <x>") == f"<title>{isolated(HEBREW)} &lt;x&gt;</title>"
    assert tag("textarea", f"{HEBREW} <b>", data_text=HEBREW) == (
        f'<textarea data-text="{HEBREW}">{HEBREW} &lt;b&gt;</textarea>'
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.04, "0.0 s"),
        (5, "5 s"),
        (9.96, "10.0 s"),
        (59, "59 s"),
        (125, "2 min 05 s"),
        (4800, "1 h 20 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_estimates_say_no_more_than_they_know() -> None:
    assert [about(s) for s in (3, 44, 200, 7200)] == ["a few seconds", "about 40 s", "about 3 min", "about 2.0 h"]


def test_ages_and_sizes() -> None:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    ages = [ago(now - timedelta(seconds=s), now) for s in (5, 300, 7200, 2 * 86400, 30 * 86400)]
    assert ages == ["just now", "5 min ago", "2 h ago", "2 days ago", "11 Dec 2025"]
    assert [memory(m) for m in (None, 512.4, 2100)] == ["–", "512 MB", "2.1 GB"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("12", 9), ("0", 1), ("-3", 1), ("", 1), ("two", 1), ("²", 1), ("٣", 1), ("9" * 5000, 1)],
)
def test_a_number_in_an_address_is_between_one_and_the_most(text: str, number: int) -> None:
    assert number_in_address(text, 9) == number
