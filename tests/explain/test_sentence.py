"""The computed sentences say what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.bidi import isolated
from engine.explain.evidence import Evidence, ItemEvidence, Necessity
from engine.explain.grammar import grammar
from engine.explain.grounding import check
from engine.explain.sentence import fallback, first_sentence
from engine.labels import listed

HISTORY = (ItemEvidence("Alien (1979)", 3.0, True), ItemEvidence("Heat (1995)", -2.0, True))


def evidence(necessity: Necessity | None) -> Evidence:
    return Evidence("Aliens (1986)", 1.0, "sasrec", 4.0, "movie", HISTORY, ("Aliens (1986)", "Fargo (1996)"), necessity)


@pytest.mark.parametrize(
    ("titles", "after", "says"),
    [
        (("A", "B"), 7.0, "mainly because of A and B; without both it falls from #1 to #7."),
        (("A",), 2.0, "mainly because of A; without that one it falls from #1 to #2."),
        (("A", "B", "C"), 3.0, "mainly because of A, B and C; without all 3 it falls from #1 to #3."),
        (("A", "B"), 1.0, "stands at #1; A and B speak most for it, but without both it stays at #1."),
    ],
)
def test_the_first_sentence(titles: tuple[str, ...], after: float, says: str) -> None:
    assert first_sentence(evidence(Necessity(titles, 1.0, after, "Fargo (1996)"))) == f"Aliens (1986) {says}"


def test_titles_that_carry_it_only_together_are_not_said_to_be_reasons_one_by_one() -> None:
    found = evidence(Necessity(("Alien (1979)", "Heat (1995)"), 1.0, 4.0, "Fargo (1996)"))
    assert first_sentence(found) == (
        "Aliens (1986) rests mainly on Alien (1979) and Heat (1995) together; without both it falls from #1 to #4, "
        "though without Heat (1995) alone it does no worse."
    )
    assert "against" not in fallback(found), "the same title is not said to speak for it and against it"
    assert check(fallback(found), found).badge == "grounded"


def test_where_nothing_speaks_for_it_that_is_said() -> None:
    assert first_sentence(evidence(None)) == (
        "No single title of the history clearly speaks for Aliens (1986), which stands at #1."
    )


def test_the_stand_in_names_what_speaks_against_and_the_teacher() -> None:
    text = fallback(evidence(Necessity(("Alien (1979)",), 1.0, 2.0, "Fargo (1996)")))
    assert "Heat (1995) speaks against it." in text
    assert text.endswith("The teacher (SASRec) puts it at #4.")


def test_beside_the_teacher_itself_stands_a_row_that_is_not_called_the_teacher() -> None:
    told = replace(evidence(Necessity(("Alien (1979)",), 1.0, 2.0, "Fargo (1996)")), teacher="delrec", is_teacher=False)
    text = fallback(told)
    assert text.endswith(" DELRec puts it at #4.")
    assert "teacher" not in text.lower()
    assert check(text, told).badge == "grounded"
    assert check("The recommendation is due to Alien. DELRec puts it at #3.", told).badge != "grounded"
    assert "teacher" not in grammar(told), "rules are written large"
    assert "teacher" in grammar(replace(told, is_teacher=True))


def test_lists_read_naturally() -> None:
    assert [listed(names) for names in (["A"], ["A", "B"], ["A", "B", "C"])] == ["A", "A and B", "A, B and C"]


def test_titles_from_right_to_left_are_isolated_and_stay_grounded() -> None:
    hebrew, arabic = "\u05e9\u05dc\u05d5\u05dd (1995)", "\u0623\u0646\u0627"
    history = (ItemEvidence(arabic, 3.0, True), ItemEvidence("Heat (1995)", -2.0, True))
    needed = Necessity((arabic,), 1.0, 2.0, "Heat (1995)")
    found = Evidence(hebrew, 1.0, "sasrec", 4.0, "movie", history, (hebrew, "Fargo (1996)"), needed)
    said = first_sentence(found.isolated())
    assert said.startswith(f"{isolated(hebrew)} mainly because of {isolated(arabic)}; ")
    assert first_sentence(found).startswith(f"{hebrew} mainly because of {arabic};"), "the model reads no marks"
    assert check(fallback(found.isolated()), found).badge == check(fallback(found), found).badge == "grounded"
