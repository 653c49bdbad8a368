"""One recommendation under other soft prompts and without the adapter: what did each stage change?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import StudioError
from engine.explain.predictor import Instance, margins, probabilities, ranks
from engine.llm import SoftPrompt
from engine.ranking import Ranker
from engine.variants import LLMVariants

Within = Callable[[Ranker], Ranker]


@dataclass(frozen=True)
class CandidateRanking:
    """How a model ranks the instance's candidates."""

    model: str
    scores: np.ndarray
    """float32 ``[m]``, on the model's own scale."""
    places: np.ndarray
    """float64 ``[m]``: rank of every candidate, 1 is best; ties take their mean."""
    margin: float
    """The target's lead over the best other candidate."""
    probability: float
    """The target's, by the softmax over the candidates."""
    rank: float
    """The target's."""
    top: int
    """Id of the first candidate."""


@dataclass(frozen=True)
class PromptChange:
    """What becomes of the recommendation when the soft prompt is another one."""

    prompt: str
    """``removed``, ``shuffled``, ``random``, or ``run <id>`` for another run's."""
    answer: CandidateRanking
    margin_effect: float
    """The target's margin as it is minus the margin now: what the prompt itself brings it."""


def answer(ranker: Ranker, instance: Instance, *, older: bool = False) -> CandidateRanking:
    """Ask ``ranker`` about the instance as it is; ``older``: whether it sees the older items."""
    history = np.concatenate([instance.older, instance.history]) if older else instance.history
    scores = ranker.scores([history], instance.candidates[None])
    return make_answer(ranker.name, scores[0], instance)


def make_answer(model: str, scores: np.ndarray, instance: Instance) -> CandidateRanking:
    """The answer that ``scores [m]`` are."""
    m = len(scores)
    return CandidateRanking(
        model,
        scores,
        np.array([ranks(scores[None], column)[0] for column in range(m)]),
        float(margins(scores, instance.target)),
        float(probabilities(scores, instance.target)),
        float(ranks(scores[None], instance.target)[0]),
        int(instance.candidates[scores.argmax()]),
    )


def prompt_effects(
    variants: LLMVariants,
    instance: Instance,
    own: CandidateRanking,
    others: dict[str, SoftPrompt] | None = None,
    *,
    adapter: bool = True,
    within: Within = lambda ranker: ranker,
) -> list[PromptChange]:
    """The recommendation under every prompt of :meth:`LLMVariants.prompts`, the adapter staying as it is.

    Args:
        own: the answer with the run's own prompt.
        adapter: whether the row has it on.
        within: makes the whole row of its language model.
    """
    effects = []
    for name, prompt in variants.prompts(others).items():
        ranker = within(variants.ranker(f"{own.model}, prompt {name}", prompt, adapter=adapter))
        changed = replace(answer(ranker, instance), model=f"{own.model}, prompt {name}")
        effects.append(PromptChange(name, changed, own.margin - changed.margin))
    return effects


def adapter_effect(
    variants: LLMVariants, instance: Instance, own: CandidateRanking, within: Within = lambda ranker: ranker
) -> tuple[CandidateRanking, float]:
    """The answer with the adapter switched off, and what the adapter brings the target's margin.

    Raises:
        StudioError: the run has no adapter.
    """
    if not variants.models.config.finetune.enabled:
        raise StudioError("the run has no adapter", where="finetune.enabled=false", remedy="ask about another run")
    off = answer(within(variants.ranker("llm-distilled", variants.models.soft_prompt, adapter=False)), instance)
    return off, own.margin - off.margin
