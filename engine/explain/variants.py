"""One recommendation under other soft prompts and without the adapter: what did each stage change?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.data import Catalogue
from engine.distill import random_prompt
from engine.errors import StudioError
from engine.explain.case import Case, margins, probabilities, ranks
from engine.llm import LLMRanker, PromptScorer, SoftPrompt
from engine.models import Models, WithoutAdapter
from engine.ranking import Ranker
from engine.seeds import generator


@dataclass(frozen=True)
class Answer:
    """How a model ranks the case's candidates."""

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
class PromptEffect:
    """What becomes of the recommendation when the soft prompt is another one."""

    prompt: str
    """``removed``, ``shuffled``, ``random``, or ``run <id>`` for another run's."""
    answer: Answer
    margin_effect: float
    """The target's margin as it is minus the margin now: what the prompt itself brings it."""


class LLMVariants:
    """The run's language model with any soft prompt, with or without the adapter; all share one set of weights."""

    def __init__(self, models: Models, catalogue: Catalogue) -> None:
        ranker = models.ranker("delrec", catalogue)
        if not isinstance(ranker, LLMRanker):
            raise TypeError(f"expected a plain language model, got {type(ranker).__name__}")
        self.models = models
        self.whole = ranker

    def ranker(self, name: str, prompt: SoftPrompt | None, *, adapter: bool) -> Ranker:
        """The model called ``name``; without a prompt it gets the zero-shot request, which speaks of no teacher."""
        own = self.whole.scorer
        scorer = PromptScorer(own.backbone, own.verbalizer, prompt, own.batch_size)
        ranker = LLMRanker(name, scorer, self.whole.prompts, self.whole.history_length)
        return ranker if adapter else WithoutAdapter(ranker)

    def prompts(self, others: dict[str, SoftPrompt] | None = None) -> dict[str, SoftPrompt | None]:
        """Soft prompts to compare with the run's own: none, its vectors in another order, an untrained one, others'.

        Raises:
            StudioError: the run has no soft prompt.
        """
        own, config = self.models.soft_prompt, self.models.config
        if own is None:
            raise StudioError("the run has no soft prompt", where="distill.prompt=none", remedy="ask about another run")
        order = torch.from_numpy(generator(config.seed, "shuffled-prompt").permutation(len(own)))
        shuffled = SoftPrompt(own.weight[order.to(own.weight.device)], own.backbone_name)
        return {
            "removed": None,
            "shuffled": shuffled.to(own.weight.device),
            "random": random_prompt(config, self.whole.scorer.backbone),
            **{f"run {name}": prompt for name, prompt in (others or {}).items()},
        }


def answer(ranker: Ranker, case: Case, *, older: bool = False) -> Answer:
    """Ask ``ranker`` about the case as it is; ``older``: whether it sees the older items."""
    history = np.concatenate([case.older, case.history]) if older else case.history
    scores = ranker.scores([history], case.candidates[None])
    return make_answer(ranker.name, scores[0], case)


def make_answer(model: str, scores: np.ndarray, case: Case) -> Answer:
    """The answer that ``scores [m]`` are."""
    m = len(scores)
    return Answer(
        model,
        scores,
        np.array([ranks(scores[None], column)[0] for column in range(m)]),
        float(margins(scores, case.target)),
        float(probabilities(scores, case.target)),
        float(ranks(scores[None], case.target)[0]),
        int(case.candidates[scores.argmax()]),
    )


def prompt_effects(
    variants: LLMVariants, case: Case, own: Answer, others: dict[str, SoftPrompt] | None = None
) -> list[PromptEffect]:
    """The recommendation under every prompt of :meth:`LLMVariants.prompts`, the adapter staying as it is.

    Args:
        own: the answer with the run's own prompt.
    """
    effects = []
    for name, prompt in variants.prompts(others).items():
        changed = answer(variants.ranker(f"{own.model}, prompt {name}", prompt, adapter=True), case)
        effects.append(PromptEffect(name, changed, own.margin - changed.margin))
    return effects


def adapter_effect(variants: LLMVariants, case: Case, own: Answer) -> tuple[Answer, float]:
    """The answer with the adapter switched off, and what the adapter brings the target's margin.

    Raises:
        StudioError: the run has no adapter.
    """
    if not variants.models.config.finetune.enabled:
        raise StudioError("the run has no adapter", where="finetune.enabled=false", remedy="ask about another run")
    off = answer(variants.ranker("llm-distilled", variants.models.soft_prompt, adapter=False), case)
    return off, own.margin - off.margin


def ladder(variants: LLMVariants, case: Case, teacher: Answer, own: Answer) -> list[Answer]:
    """The same candidates by the teacher and by the language model after each stage that the run has."""
    models = variants.models
    rungs: Sequence[Answer] = [answer(variants.ranker("llm-zero-shot", None, adapter=False), case)]
    if models.soft_prompt is not None:
        rungs = [*rungs, answer(variants.ranker("llm-distilled", models.soft_prompt, adapter=False), case)]
    if models.config.finetune.enabled:
        rungs = [*rungs, own]
    return [teacher, *rungs]
