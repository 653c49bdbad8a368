"""The model's own words after the fact: written from the measured evidence, then checked against it.

Such texts are rationalisations (Turpin et al. 2023): what they say is believed only as far as the check goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.explain.evidence import Evidence
from engine.explain.grounding import Grounding, check
from engine.explain.sentence import fallback, first_sentence
from engine.explain.writer import MOST_TOKENS, write
from engine.llm import Backbone

SAMPLES = 3

OnText = Callable[[int, str], None]
"""Called with the sample's number and each piece of its text, as it is written."""


@dataclass(frozen=True)
class Rationale:
    """A text and the verdict on it."""

    text: str
    grounding: Grounding
    weights: Literal["base", "adapter", "computed"]
    """Who wrote it: the base model, the model with its adapter, or nobody: it is computed from the evidence."""
    sample: int
    """0 is the likeliest text, others are drawn; -1 for a computed one."""


def request(evidence: Evidence) -> str:
    """What the language model is asked, with all that was measured; may be edited before it is sent."""
    noun, target = evidence.noun, evidence.target
    ranked = sorted((item for item in evidence.history if item.mattered), key=lambda item: -abs(item.effect))
    lines = [f"- {item.title}: speaks {'for' if item.effect > 0 else 'against'} it" for item in ranked]
    return "\n".join(
        [
            f"A recommender puts the {noun} {target} at #{evidence.rank:g}. Measured about the user's history:",
            *(lines or ["- no title has a clear effect"]),
            first_sentence(evidence),
            f"Another model, {evidence.teacher}, puts it at #{evidence.teacher_rank:g}.",
            f"Explain in two to four short sentences why {target} is recommended. Say what speaks for it and what "
            f"against. Name no {noun} that is not listed here and give no other reasons.",
        ]
    )


def rationales(
    backbone: Backbone,
    evidence: Evidence,
    *,
    adapter: bool = False,
    samples: int = SAMPLES,
    seed: int = 0,
    asked: str | None = None,
    most: int = MOST_TOKENS,
    on_text: OnText | None = None,
) -> list[Rationale]:
    """Texts of the model, best grounded first; a computed one leads where none of them is grounded.

    Args:
        adapter: whether the fine-tuned weights write, or the base ones.
        samples: texts to write; the first is the likeliest one.
        asked: an edited request instead of :func:`request`.

    Raises:
        StudioError: the request is longer than the model's context.
    """
    written = []
    for sample in range(samples):
        pieces: list[str] = []
        for piece in write(backbone, asked or request(evidence), adapter=adapter, sample=sample, seed=seed, most=most):
            pieces.append(piece)
            if on_text:
                on_text(sample, piece)
        text = "".join(pieces).strip()
        weights: Literal["base", "adapter"] = "adapter" if adapter else "base"
        written.append(Rationale(text, check(text, evidence), weights, sample))
    written.sort(key=lambda rationale: rationale.grounding.order)
    if not written or written[0].grounding.badge != "grounded":
        text = fallback(evidence)
        written.insert(0, Rationale(text, check(text, evidence), "computed", -1))
    return written
