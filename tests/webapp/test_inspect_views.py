"""What the page Inspect says about an explanation, on one whose answers are known."""

from __future__ import annotations

import json
import re
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from inspect_world import HOSTILE, being_written, explanation, facts, item, read, rung

from db.asked import AnswerProgress
from engine.data.catalogue import ItemLabel
from engine.explain.report import ExplanationReport
from webapp.inspect.charts import percent, shares, signed
from webapp.inspect.question import DEPTHS, REASONS, WORDS, Question
from webapp.inspect.session import FIRST, NAMES, QuestionState
from webapp.inspect.subjects import HistoryEntry, ShownHistory
from webapp.inspect.views import answer as view
from webapp.inspect.views import expert as expert_view
from webapp.inspect.views import history as history_view
from webapp.inspect.views import reasons as reasons_view
from webapp.inspect.views import share as share_view
from webapp.inspect.views import words as words_view
from webapp.inspect.views.report import report

ASKED = Question("r-abc234", "42")


def _text(drawn: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", drawn))


def _choice(item: int) -> ItemLabel:
    return ItemLabel(f"id:{item + 1}", f"{HOSTILE} {item}")


def _all(answer: ExplanationReport) -> dict[str, str]:
    history = history_view.of_answer(answer)
    return {
        "sentence": view.sentence(answer),
        "sides": view.sides(answer, ASKED),
        "changes": view.changes(answer, answer),
        "rather": reasons_view.rather(answer),
        "rival": reasons_view.rival(answer, "13"),
        "smallest": reasons_view.smallest(answer, _choice),
        "confidence": reasons_view.confidence(answer),
        "notes": view.notes(answer),
        "cards": history_view.cards(history, answer),
        "words": words_view.checked(answer),
        "growing": words_view.growing(being_written(answer, HOSTILE)),
        "editor": words_view.editor(answer, ASKED),
        "expert": expert_view.fold(answer, Question("r-abc234", "42", expert=True)),
    }


@pytest.mark.parametrize("piece", list(_all(read())))
def test_titles_that_are_code_stay_text_in_every_piece(piece: str) -> None:
    drawn = _all(read())[piece]
    assert "<img" not in drawn
    assert "<b>War" not in drawn


def test_shares_add_up_and_are_printed_like_people_write_them() -> None:
    assert sum(shares([3.0, -200.0, 2.5])) == pytest.approx(1)
    assert [percent(share) for share in (0.234, 0.045, 0.00001, 0.0, 1.0)] == [
        "23 %",
        "4.5 %",
        "< 0.1 %",
        "0 %",
        "100 %",
    ]
    assert [signed(value) for value in (1.101, -0.26, 0.072, 0.0, -0.0000001)] == [
        *("+1.10", "−0.26", "+0.072", "+0.00", "+0.00"),
    ]  # fmt: skip


def test_both_models_stand_side_by_side_with_the_true_item_marked() -> None:
    drawn = view.sides(read(), ASKED)
    rows = re.findall(r'<li class="dr-line([^"]*)" data-item="(\d+)"', drawn)
    assert [(int(number), marks.split()) for marks, number in rows] == [
        (10, []), (12, ["dr-chosen"]), (11, ["dr-target"]),
        (11, ["dr-target"]), (10, []), (12, ["dr-chosen"]),
    ]  # fmt: skip
    assert drawn.count("<path") == 3, "each candidate is joined by a line"
    assert "SASRec puts Rival first" in _text(view.agreement(read()))
    assert "SASRec #2, DELRec #3" in _text(view.agreement(read()))


@pytest.mark.parametrize("count", [30, 500])
def test_beyond_the_first_ten_only_what_matters_is_listed_with_its_place(count: int) -> None:
    answer = facts()
    answer["candidates"] = [item(n, f"T{n}", chosen_next=n == 24) for n in range(count)]
    answer["target"] = item(3, "T3")
    answer["answer"] |= {"scores": [float(-n) for n in range(count)], "top": 0}
    answer["beside"]["top"] = 0
    answer["answer"]["places"] = answer["beside"]["places"] = [n + 1.0 for n in range(count)]
    answer["beside"]["scores"] = answer["answer"]["scores"]
    long = read(answer)
    places = view.ranking(long, long.answer).places
    assert [place.rank for place in places] == [*range(1, 11), 25]
    assert f"11 of {count}" in view.ranking(long, long.answer).note
    assert reasons_view.rival(long, "0").count("<option") == count - 1
    assert view.sides(long, ASKED).count('class="dr-line') == 22


def test_the_smallest_change_says_what_comes_first_and_can_be_tried() -> None:
    drawn = reasons_view.smallest(read(), lambda number: ItemLabel(f"id:{number}", f"item {number}"))
    said = _text(drawn)
    assert "Rival comes first and The Target falls to #3" in said
    assert "With item 33 in the place of" in said
    assert "Try it" in said
    assert "Try it" not in reasons_view.smallest(read(), _choice, frozen=True)
    assert '["id:3"]' in drawn.replace("&quot;", '"'), "trying leaves the other title"
    assert reasons_view.smallest(read(), lambda _: ItemLabel("", "item ?")).count("Try it") == 1, (
        "what has no id is not put"
    )


def test_where_no_change_was_found_it_says_how_many_were_tried() -> None:
    answer = explanation()
    answer["counterfactual"] |= {"removal": None, "replacement": None, "complete": False}
    said = _text(reasons_view.smallest(read(answer), _choice))
    assert "3 changes of the history were tried" in said
    assert "Not all sets of three titles were tried" in said


@pytest.mark.parametrize(("same", "word"), [(1.0, "Steady"), (0.5, "Wavering"), (0.1, "Shaky")])
def test_confidence_has_a_word(same: float, word: str) -> None:
    answer = explanation()
    answer["stability"]["same_top"] = same
    assert word in reasons_view.confidence(read(answer))


def test_a_model_that_reads_no_list_is_not_called_steady() -> None:
    answer = explanation()
    why = "It reads no list of candidates, so their order cannot sway it."
    del answer["stability"]
    assert reasons_view.confidence(read(answer)) is None, "until it is known"
    answer["inapplicable"] = {"stability": why}
    said = _text(reasons_view.confidence(read(answer)))
    assert why in said
    assert not {"Steady", "Wavering", "Shaky", "other orders"} & set(said.split())


def test_an_item_that_the_teacher_hardly_knows_is_marked() -> None:
    answer = explanation()
    answer["target"]["interactions"] = 3
    assert "3: hardly known" in reasons_view.confidence(read(answer))
    answer["target"]["interactions"] = None
    assert "not in the catalogue" in reasons_view.confidence(read(answer))


def test_an_edit_says_what_became_of_the_first_place() -> None:
    after = facts() | {"answer": rung("delrec", 2.0, 1.5, 0.2)}
    assert "Rival now comes first; The Target falls to #2." in _text(view.changes(read(), read(after)))
    assert "The Target stays first." in _text(view.changes(read(), read()))
    after["target"] = item(10, "Rival")
    after["candidates"][1] = item(99, "Newcomer", chosen_next=False)
    assert "no longer among the candidates" in _text(view.changes(read(), read(after)))


def test_effects_are_printed_with_sign_and_word_for_both_models() -> None:
    drawn = history_view.cards(history_view.of_answer(read()), read())
    said = _text(drawn)
    assert "+1.20" in said
    assert "−3.00" in said
    assert "speaks for it" in said
    assert "speaks against it" in said
    assert history_view.verdict(0.01, 1.2) == "hardly matters"
    assert "do not agree on which titles matter" in _text(history_view.meaning(read()))


def test_before_the_effects_come_those_of_the_first_sentence_stand() -> None:
    answer = explanation()
    del answer["effects"]
    assert history_view.effects_of(read(answer), 2) == ((1.2, -0.4), None)
    assert history_view.effects_of(read(answer), 3) == (None, None), "of another history nothing is known"
    assert history_view.effects_of(None, 2) == (None, None)


def test_unknown_titles_are_marked_with_what_was_perhaps_meant() -> None:
    history = ShownHistory(
        (),
        (
            HistoryEntry("Haet", "Haet", "Haet", known=False, suggestions=(ItemLabel("id:9", "Heat (1995)"),)),
            HistoryEntry("heat", "heat", "Heat (1995)"),
        ),
    )
    said = _text(history_view.cards(history, None))
    assert "not in the catalogue" in said
    assert "Did you mean Heat (1995)" in re.sub(r"\s+", " ", said)
    assert "typed" not in said, "the year alone makes no other title"
    assert 'data-with="id:9"' in history_view.cards(history, None), "what is taken is the item, not its text"
    nothing = ShownHistory((), (HistoryEntry("x", "x", "x", known=False),))
    assert "no reasons can be measured" in history_view.cards(nothing, None)
    assert "draggable" not in history_view.cards(history, None, frozen=True)


def test_what_was_understood_as_another_title_is_said() -> None:
    same = (ItemLabel("id:8", "Same [id:8]"), ItemLabel("id:9", "Same [id:9]"))
    for entry, told in (
        (HistoryEntry("C", "C", "C++"), "typed “C”"),
        (HistoryEntry("Peche", "Peche", "Pêche (1980)"), "typed “Peche”"),
        (HistoryEntry("Same", "Same", "Same", suggestions=same, alike=True), "Did you mean Same [id:8] Same [id:9]"),
    ):
        assert told in re.sub(r"\s+", " ", _text(history_view.cards(ShownHistory((), (entry,)), None)))
    quiet = _text(history_view.cards(ShownHistory((), (HistoryEntry("id:7", "C", "C", suggestions=same),)), None))
    assert "typed" not in quiet
    assert "Did you mean" not in quiet


def test_a_change_is_tried_with_the_very_items() -> None:
    asked = re.findall(r'data-ask="([^"]*)"', reasons_view.smallest(read(), _choice))
    assert [json.loads(unescape(action))["titles"] for action in asked] == [["id:3"], ["id:34", "id:3"]]


def test_how_far_to_trust_a_row_is_its_own_verdict_or_how_to_measure_it() -> None:
    said = _text(view.sentence(read(), view.trusted("r-abc234", "delrec", "Its reasons are 2.0 times as good.")))
    assert "How far to trust DELRec? Its reasons are 2.0 times as good." in re.sub(r"\s+", " ", said)
    missing = _text(view.trusted("r-abc234", "sasrec", None))
    assert "delrec faithfulness --run r-abc234 --model sasrec" in missing


def test_an_item_that_is_not_recommended_is_asked_why_not() -> None:
    answer = explanation()
    answer["rather"]["lead"] = -0.5
    assert "Why is The Target not recommended? Rival stands before it" in reasons_view.rather(read(answer))


def test_the_rival_is_chosen_among_the_other_candidates() -> None:
    drawn = reasons_view.rival(read(), "11")
    assert re.findall(r'<option value="(\d+)"( selected)?', drawn) == [("11", " selected"), ("13", "")]
    assert 'data-ask-value="rival"' in drawn
    assert "rather than Rival?" in drawn
    other = reasons_view.rival(read(), "13")
    assert re.findall(r'<option value="(\d+)"( selected)?', other) == [("11", ""), ("13", " selected")]
    assert "rather than item 99?" in reasons_view.rival(read(), "99")
    assert "<select" not in reasons_view.rather(read())
    assert "from that lead" in reasons_view.reasons(read())


def test_delrec_plus_is_told_in_honest_words() -> None:
    answer = explanation()
    answer["ladder"].append(rung("delrec-plus", 0.1, 0.2, 0.9))
    answer["run"]["plus"] = {"sasrec": 0.9, "delrec": 0.3}
    assert "beyond the paper" not in _text(view.sides(read(answer), ASKED)), "it is neither of the two rows"
    answer["run"]["model"] = "delrec-plus"
    said = _text(view.sides(read(answer), ASKED))
    assert "the opinions of SASRec (0.90) and DELRec (0.30)" in said
    assert "the less its agreement with it says" in said
    assert view.sides(read(answer), ASKED).count("<section") == 2
    assert "DELRec-plus" in expert_view.ladder(read(answer))
    answer["run"]["plus"]["sasrec"] = 0.0
    said = _text(view.sides(read(answer), ASKED))
    assert "the opinions of SASRec (0.00)" in said
    assert "the less its agreement" not in said
    answer["run"]["plus"] = {"ensemble": 0.9, "text": 0.5, "delrec": 0.3}
    told = "of the ensemble of the run's teachers (0.90), a text recommender (0.50) and DELRec (0.30), weighed by"
    assert told in _text(view.sides(read(answer), ASKED))
    answer["run"]["plus"] = {"teacher": "sasrec", "of_teacher": 0.9, "of_llm": 0.3}  # of an earlier version
    told = "the opinions of SASRec (0.90) and a language model (0.30)"
    assert told in _text(view.sides(read(answer), ASKED))


def test_an_edit_is_asked_about_the_same_candidates_and_it_is_said() -> None:
    edited = Question("r-abc234", "42", titles=("Heat",))
    assert "chosen for the history as it was" in _text(view.sides(read(), edited))
    assert "after these titles" in _text(view.sides(read(), Question("r-abc234", titles=("Heat",))))
    assert "same 3 candidates" in _text(view.changes(read(), read()))


def test_a_run_without_prompt_or_adapter_says_so() -> None:
    answer = explanation()
    answer["prompt"] = {"prompts": None, "adapter": None}
    said = _text(expert_view.prompt(read(answer)))
    assert "no soft prompt" in said
    assert "no adapter" in said


def test_the_expert_fold_shows_what_is_there_and_asks_for_the_rest_once_it_is_open() -> None:
    answer = explanation()
    closed, opened = ASKED, Question("r-abc234", "42", expert=True)
    assert "dr-expert" not in expert_view.fold(read(answer), closed).replace(expert_view.facts(read(answer)), "")
    assert all(
        heading in expert_view.fold(read(answer), opened)
        for heading in ("Gradients", "From stage to stage", "[soft prompt")
    )
    del answer["gradients"]
    assert "More is being measured" in expert_view.fold(read(answer), opened)
    assert "completeness error 0.010" in expert_view.gradients(read())


def _standing(**states: str) -> QuestionState:
    known = {
        part: AnswerProgress(n, state, None, "no such user", "take 1 to 9")
        for n, (part, state) in enumerate(states.items())
    }  # type: ignore[arg-type]
    return QuestionState(REASONS, known)


def test_progress_is_told_until_all_is_there() -> None:
    said = _text(share_view.progress(_standing(summary="done", effects="running"), False))
    assert f"Measured 1 of {len(REASONS)}. Now: {NAMES['effects']}." in said
    assert share_view.progress(_standing(**dict.fromkeys(REASONS, "done")), False) == ""
    assert "No worker is running" in share_view.progress(_standing(summary="queued"), True)


def test_a_question_that_cannot_be_answered_says_why_once() -> None:
    standing = _standing(**{FIRST: "failed"})
    assert standing.stuck
    assert not standing.pending, "the other parts would fail like the first"
    said = _text(share_view.failures(standing))
    assert said.count("no such user — take 1 to 9") == 1
    assert "Ask again" in said
    assert "No gradients" not in said


def test_every_part_has_a_name() -> None:
    assert set(NAMES) == {*REASONS, WORDS, *DEPTHS}


def test_the_report_stands_alone() -> None:
    subjects: Any = SimpleNamespace(
        run=SimpleNamespace(name=HOSTILE, id="r-abc234"),
        model="delrec",
        teacher="sasrec",
        choice=_choice,
        user_labels=str,
    )
    drawn = report(subjects, ASKED, read())
    assert drawn.startswith("<!doctype html>")
    assert not re.search(r"<(?:script|img|link|iframe|button|form)", drawn)
    assert not re.search(r"(?:href|src)=", re.sub(r"&lt;.*?&gt;", "", drawn))
    assert "url(" not in drawn
    for said in ("The Target mainly because of", "completeness error", "Partly grounded", "The smallest change"):
        assert said in drawn
