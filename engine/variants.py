"""A run's language model under other soft prompts and without its adapter: what falsification and explanations ask."""

from __future__ import annotations

import torch

from engine.data import Catalogue
from engine.distill import random_prompt
from engine.errors import StudioError
from engine.llm import LLMRanker, PromptScorer, SoftPrompt
from engine.models import Models, WithoutAdapter
from engine.ranking import Ranker
from engine.seeds import generator


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
