"""What the language model reads when it ranks, word by word."""

from __future__ import annotations

from engine.errors import StudioError
from engine.explain.predictor import Instance
from engine.explain.report_parts import Piece, Reading
from engine.models import llm_of
from engine.ranking import Ranker


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
    tokens = len(scorer.encode([prompt])[0])
    segments, reply = (
        tuple(Piece(text=it.text, kind=it.kind, index=it.index) for it in part)
        for part in (prompt.segments, prompt.reply)
    )
    return Reading(segments=segments, answer=prompt.answer, reply=reply, soft_tokens=soft, tokens=tokens)
