"""Hand-written good and bad texts about one recommendation whose evidence is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.explain.evidence import Evidence, ItemEvidence, Necessity
from engine.explain.grounding import check
from engine.explain.sentence import fallback

EVIDENCE = Evidence(
    target="Aliens (1986)",
    rank=1.0,
    teacher="sasrec",
    teacher_rank=4.0,
    noun="movie",
    history=(
        ItemEvidence("Alien (1979)", 4.0, True),
        ItemEvidence("Mr. Holland's Opus (1995)", -2.0, True),
        ItemEvidence("The Empire Strikes Back (1980)", 1.5, True),
        ItemEvidence("Heat (1995)", 0.1, False),
        ItemEvidence("Star Wars: A New Hope (1977)", 1.2, True),
    ),
    candidates=("Aliens (1986)", "Fargo (1996)", "Toy Story (1995)"),
    necessity=Necessity(("Alien (1979)", "The Empire Strikes Back (1980)"), 1.0, 7.0, "Fargo (1996)"),
)

GOOD = [
    "Aliens is recommended because you watched Alien.",
    "“Aliens” (1986) comes first mainly because of “Alien” (1979) and The Empire Strikes Back.",
    "Aliens follows from Alien. Mr. Holland's Opus speaks against it.",
    "It is suggested due to the empire strikes back (1980), although Mr. Holland's Opus lowers it.",
    "The recommendation is based on 'Star Wars' and *Alien*.",
    "Because of Alien it stands at #1; without it, it would fall to #7. The teacher puts it at #4.",
    "Aliens mainly because of Empire Strikes Bak (1980).",
    "It is suggested because of Alien rather than Fargo.",
    "I think Aliens is a great pick. It is recommended thanks to Alien.",
    "Alien speaks for it, and Mr. Holland's Opus speaks against it.",
    "Alien and Star Wars speak for it. It is recommended because of both.",
]

WRONG = {
    "Aliens is recommended because of Heat.": "Heat (1995) has little or no effect",
    "Aliens is recommended because of Mr. Holland's Opus.": "Mr. Holland's Opus (1995) speaks against it",
    "Alien speaks against it.": "Alien (1979) speaks for it",
    "Aliens is suggested because of Fargo.": "Fargo (1996) is not in the history",
    "Aliens is suggested because you liked “Blade Runner”.": "“Blade Runner” is neither",
    "Aliens is suggested because you liked Blade Runner (1982).": "“Blade Runner (1982)” is neither",
    "Because of Alien (1999) it comes first.": "“Alien (1999)” is neither",
    "It stands at #2 because of Alien.": "#2 was not measured",
    "Aliens is recommended because of its iconic role in film noir.": "the cause that it names was not measured",
    "Alien speaks against it, and Mr. Holland's Opus speaks against it.": "Alien (1979) speaks for it",
    "Alien speaks for it, and Mr. Holland's Opus speaks for it.": "Mr. Holland's Opus (1995) speaks against it",
    "It is suggested because Sigourney Weaver stars in Alien.": "“Sigourney Weaver” does not stand",
}


def test_a_true_sentence_among_many_that_cannot_be_checked_does_not_make_a_text_grounded() -> None:
    text = "Aliens is recommended because of Alien. It has fine images. They recur in the genre. The theme is hope."
    assert check(text, EVIDENCE).badge == "partly"


@pytest.mark.parametrize("text", GOOD)
def test_texts_that_say_what_was_measured_are_grounded(text: str) -> None:
    found = check(text, EVIDENCE)
    assert found.badge == "grounded", found
    assert found.invented == ()


@pytest.mark.parametrize(("text", "fault"), WRONG.items())
def test_each_kind_of_falsehood_is_found_and_named(text: str, fault: str) -> None:
    found = check(text, EVIDENCE)
    assert found.badge == "ungrounded", found
    (sentence,) = found.sentences
    assert sentence.verdict == "unsupported"
    assert any(fault in said for said in sentence.faults), sentence


@pytest.mark.parametrize("place", ["#4", "#5", "#4.5"])
def test_places_that_are_shared_are_their_mean_and_no_other(place: str) -> None:
    tied = replace(EVIDENCE, rank=2.5, teacher_rank=4.5, necessity=None)
    found = check(f"It stands at #2.5 because of Alien. The teacher puts it at {place}.", tied)
    assert found.badge == ("grounded" if place == "#4.5" else "partly")


def test_a_text_with_true_and_false_sentences_is_partly_grounded() -> None:
    found = check("Aliens is recommended because of Alien. You will also love The Terminator (1984).", EVIDENCE)
    assert found.badge == "partly"
    assert [sentence.verdict for sentence in found.sentences] == ["supported", "unsupported"]
    assert found.invented == ("The Terminator (1984)",)


@pytest.mark.parametrize(
    "text", ["", "   ", "A thrilling ride that everyone will enjoy!", "{{7*7}} <b>${x}</b> 🎬 שלום"]
)
def test_texts_without_any_reason_are_ungrounded_though_not_false(text: str) -> None:
    found = check(text, EVIDENCE)
    assert found.badge == "ungrounded"
    assert {sentence.verdict for sentence in found.sentences} <= {"neutral"}


def test_a_full_stop_inside_a_title_ends_no_sentence_and_the_text_comes_back_as_it_was() -> None:
    text = "Mr. Holland's Opus speaks against it. “Alien” speaks for it!"
    found = check(text, EVIDENCE)
    assert [sentence.text for sentence in found.sentences] == [
        "Mr. Holland's Opus speaks against it.",
        "“Alien” speaks for it!",
    ]


def test_what_is_computed_from_the_evidence_passes_its_own_check() -> None:
    assert check(fallback(EVIDENCE), EVIDENCE).badge == "grounded"


def test_better_grounded_texts_come_first() -> None:
    texts = ["Nice.", "Because of Alien. Because of “Blade Runner”.", "Because of Heat.", "Because of Alien."]
    assert min(texts, key=lambda text: check(text, EVIDENCE).order) == "Because of Alien."
    assert check(texts[1], EVIDENCE).order < check(texts[2], EVIDENCE).order
