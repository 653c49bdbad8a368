"""The sentence about the distilled prompt says what the intervals allow, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from engine.explain.verdict import AFTER, NONE, OWN, RANDOM, verdict


def state(hits: float, *lead: float) -> dict[str, Any]:
    """A state that agrees on this share of first choices, behind the run's prompt by (value, low, high)."""
    return {
        "top-1": {"figure": {"value": hits}},
        "kendall-tau": {"own_lead": dict(zip(("value", "low", "high"), lead or (0.0, 0.0, 0.0), strict=True))},
    }


@pytest.mark.parametrize(
    ("lead", "kind", "says"),
    [
        (
            (0.13, 0.08, 0.18),
            "distilled",
            "6 more than with an untrained prompt. Over all candidates its order is closer",
        ),
        ((0.03, -0.02, 0.08), "no evidence", "there is no evidence that stage 1 distilled anything"),
        ((-0.13, -0.18, -0.08), "away", "it leads away from it"),
    ],
)
def test_only_a_lead_that_excludes_zero_counts(lead: tuple[float, ...], kind: str, says: str) -> None:
    found = verdict({NONE: state(0.0), RANDOM: state(0.1, *lead), OWN: state(0.2)}, 60, "SASRec", "distilled")
    assert found.kind == kind
    assert found.sentence.startswith(
        "The distilled prompt agrees with SASRec on the first choice for 12 of 60 users, 6 more"
    )
    assert says in found.sentence


def test_a_prompt_that_no_teacher_taught_is_never_called_distilled() -> None:
    agreement = {NONE: state(0.0), RANDOM: state(0.1, 0.13, 0.08, 0.18), OWN: state(0.2)}
    for prompt in ("random", "lsr"):
        assert verdict(agreement, 60, "SASRec", prompt).kind == "not distilled"


def test_other_prompts_and_fine_tuning_have_their_say() -> None:
    agreement = {NONE: state(0.0, 0.2, 0.1, 0.3), RANDOM: state(0.1), OWN: state(0.2)}
    agreement |= {"prompt of r-1": state(0.2, 0.1, -0.1, 0.3), AFTER: state(0.3, -0.2, -0.3, -0.1)}
    told = verdict(agreement, 60, "SASRec", "distilled").details
    assert "Against no prompt at all, the order is closer to SASRec's (Kendall's tau +0.20" in told[0]
    assert told[1].endswith("so what it learned may be any teacher's.")
    assert "Fine-tuning on what users chose makes it closer to SASRec's (Kendall's tau +0.20" in told[2]


def test_a_prompt_that_beats_anothers_may_be_the_better_one_for_both_teachers() -> None:
    agreement = {NONE: state(0.0), RANDOM: state(0.1), OWN: state(0.2), "prompt of r-1": state(0.1, 0.1, 0.05, 0.15)}
    told = verdict(agreement, 60, "SASRec", "distilled").details[1]
    assert "it is closer to SASRec's" in told
    assert told.endswith(
        "so it is the better prompt for this teacher; whether for this one alone, falsification test 1 tells."
    )
