"""What the language model reads when it ranks, word by word."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import StudioError
from engine.explain.predictor import Instance
from engine.llm import Segment
from engine.models import llm_of
from engine.ranking import Ranker


@dataclass(frozen=True)
class Reading:
    """The exact prompt; the model's own chat template, which is put around it, is left out."""

    segments: tuple[Segment, ...]
    answer: str
    """The beginning of the reply, behind which the candidates are compared."""
    reply: tuple[Segment, ...]
    """What follows it: the titles that the model goes on with, where it is asked so."""
    soft_tokens: int
    """Vectors that stand in the place of the soft segment."""
    tokens: int
    """Length of all that the model gets, with its template."""


def reading(ranker: Ranker, instance: Instance) -> Reading:
    """The prompt of the instance as it is.

    Raises:
        StudioError: the model is no language model, or the prompt is longer than its context.
    """
    plain = llm_of(ranker)
    if plain is None:
        raise StudioError(f"{ranker.name} reads no text", where="reading", remedy="ask about a language model")
    scorer = plain.scorer
    soft = 0 if scorer.soft_prompt is None else len(scorer.soft_prompt)
    prompt = plain.prompt(instance.history, instance.candidates)
    tokens = len(scorer.backbone.encode(prompt, soft))
    return Reading(prompt.segments, prompt.answer, prompt.reply, soft, tokens)
