"""The model's own words in *Inspect*: as they are written, checked, or stopped."""

from __future__ import annotations

import re
from html import unescape

import pytest
from inspect_world import being_written, explanation, read, written

from db.asked import AnswerProgress
from jobs.failures import ANSWER_STOPPED
from webapp.inspect.question import WORDS
from webapp.inspect.session import FIRST, QuestionState
from webapp.inspect.views import share as share_view
from webapp.inspect.views import words as words_view


@pytest.mark.parametrize("badge", ["grounded", "partly", "ungrounded"])
def test_generated_words_carry_their_verdict_and_their_writer(badge: str) -> None:
    answer = explanation()
    answer["rationale"]["texts"] = [written(badge, "adapter"), written("ungrounded")]
    drawn = words_view.checked(read(answer))
    assert f'data-badge="{badge}"' in drawn
    assert "fine-tuned model" in drawn
    assert "1 other text" in drawn
    assert "<s>Jaws 9</s>" in drawn, "invented titles are struck out"
    assert drawn.count('class="dr-unsupported"') == 2


def test_words_are_shown_while_they_are_written_and_said_to_be_unchecked() -> None:
    drawn = words_view.growing(being_written(read(), "All of it.", "Half of", ""))
    assert "Half of" in drawn
    assert "not checked yet" in drawn
    assert "text 2, because the one before did not hold" in drawn


def test_until_the_model_s_first_word_the_measurements_stand_there_and_say_so() -> None:
    answer = explanation()
    said = words_view.growing(read(answer))
    assert answer["summary"]["fallback"] in said
    assert "Computed from the measurements" in said
    assert "begins to write" in said
    del answer["summary"]
    said = unescape(re.sub(r"<[^>]*>", " ", words_view.growing(read(answer), "queued")))
    assert "The Target stands at #1 for DELRec and at #3 for SASRec" in said
    begun = words_view.growing(being_written(read(answer), "It"))
    assert "Computed from" not in begun


def test_a_stopped_text_says_so_and_can_be_asked_for_again() -> None:
    stopped = AnswerProgress(5, "failed", None, ANSWER_STOPPED[0], ANSWER_STOPPED[1])
    standing = QuestionState((FIRST, WORDS), {FIRST: AnswerProgress(4, "done", None, None, None), WORDS: stopped})
    assert standing.state(WORDS) == "stopped"
    assert (standing.pending, standing.failed) == (False, [])
    assert share_view.failures(standing) == ""
    assert "again" in words_view.stopped()
    halted = QuestionState((FIRST, "effects"), {"effects": stopped})
    assert halted.state("effects") == "absent", "other parts are just asked for again"
