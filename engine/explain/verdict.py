"""Whether stage 1 distilled anything, in sentences for people who do not read tables.

The judge is Kendall's tau over all candidates, the measure that sees most of a ranking, whatever the others say. An
untrained prompt is the control: what a prompt does by merely standing there, that one does too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.labels import plural

NONE, RANDOM, OWN, AFTER = "no prompt", "random prompt", "distilled prompt", "delrec"
"""States of the language model: frozen and without a prompt, with an untrained one, with the run's; fine-tuned."""
OTHERS = "prompt of "
"""How the names of states with other runs' prompts begin."""
JUDGE = "kendall-tau"

VerdictKind = Literal["distilled", "no evidence", "away", "not distilled"]
ENDINGS: Mapping[VerdictKind, str] = {
    "distilled": "So stage 1 distilled part of the teacher's pattern.",
    "no evidence": "So there is no evidence that stage 1 distilled anything.",
    "away": "So what stage 1 learned is not the teacher's pattern: it leads away from it.",
}
UNTAUGHT = {
    "random": "By the run's settings this prompt was never trained, so nothing was distilled into it.",
    "lsr": "By the run's settings this prompt was trained on what users chose, so nothing was distilled into it.",
}
"""Settings of ``distill.prompt`` under which no teacher is asked."""


@dataclass(frozen=True)
class DistillationVerdict:
    """What the agreement with the teacher says about the run's own prompt."""

    kind: VerdictKind
    """``away``: further from the teacher than an untrained prompt; ``not distilled``: by the run's settings."""
    sentence: str
    details: tuple[str, ...]
    """What no prompt, other runs' prompts and fine-tuning say about it."""


def verdict(agreement: Mapping[str, Any], users: int, teacher: str, prompt: str) -> DistillationVerdict:
    """Judge the figures of :func:`engine.explain.pattern.agreements`.

    Args:
        users: how many they are of.
        teacher: its name for people.
        prompt: the setting ``distill.prompt``.
    """
    own, control = (round(agreement[state]["top-1"]["figure"]["value"] * users) for state in (OWN, RANDOM))
    lead = _lead(agreement, RANDOM)
    kind: VerdictKind = "distilled" if lead["low"] > 0 else "away" if lead["high"] < 0 else "no evidence"
    ending = UNTAUGHT.get(prompt, ENDINGS[kind])
    name = "This run's prompt" if prompt in UNTAUGHT else "The distilled prompt"
    sentence = (
        f"{name} agrees with {teacher} on the first choice for {own} of {plural(users, 'user')}, "
        f"{_more(own - control)} an untrained prompt. Over all candidates its order is {_closer(lead)} to {teacher}'s "
        f"({_tau(lead)}). {ending}"
    )
    return DistillationVerdict(
        "not distilled" if prompt in UNTAUGHT else kind, sentence, tuple(_details(agreement, teacher))
    )


def _details(agreement: Mapping[str, Any], teacher: str) -> list[str]:
    without = _lead(agreement, NONE)
    details = [f"Against no prompt at all, the order is {_closer(without)} to {teacher}'s ({_tau(without)})."]
    for state in agreement:
        if state.startswith(OTHERS):
            lead = _lead(agreement, state)
            means = (
                "so it is the better prompt for this teacher; whether for this one alone, falsification test 1 tells"
                if lead["low"] > 0
                else "so what it learned may be any teacher's"
            )
            details.append(f"Against the {state}, it is {_closer(lead)} to {teacher}'s ({_tau(lead)}), {means}.")
    if AFTER in agreement:
        before = _lead(agreement, AFTER)
        gain = {"value": -before["value"], "low": -before["high"], "high": -before["low"]}
        details.append(f"Fine-tuning on what users chose makes it {_closer(gain)} to {teacher}'s ({_tau(gain)}).")
    return details


def _lead(agreement: Mapping[str, Any], state: str) -> Mapping[str, float]:
    """By how much the run's own prompt agrees more than this state."""
    lead: Mapping[str, float] = agreement[state][JUDGE]["own_lead"]
    return lead


def _more(count: int) -> str:
    return f"{abs(count)} {'more' if count > 0 else 'fewer'} than with" if count else "as many as with"


def _closer(lead: Mapping[str, float]) -> str:
    return "closer" if lead["low"] > 0 else "less close" if lead["high"] < 0 else "not clearly closer"


def _tau(lead: Mapping[str, float]) -> str:
    return f"Kendall's tau {lead['value']:+z.2f}, 95 % interval {lead['low']:+z.2f} to {lead['high']:+z.2f}"
