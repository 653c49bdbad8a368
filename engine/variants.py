"""A run's language model under other soft prompts and without its adapter: what falsification and explanations ask."""

from __future__ import annotations

import torch

from engine.data import Catalogue
from engine.distill import random_prompt
from engine.errors import StudioError
from engine.llm import PromptScorer, SoftPrompt, Verbalizer
from engine.models import Models, without_adapter
from engine.ranking import Ranker
from engine.rows import method_row
from engine.seeds import generator
from engine.training_prompts import llm_ranker

FROZEN = "llm-distilled"
"""The row that answers without the adapter."""


class LLMVariants:
    """The run's language model with any soft prompt, with or without the adapter; all share one set of weights.

    What a verbalizer has learned goes with what it was learned with: stage 2's with the adapter; without it, that of
    the prompt, or where there is no prompt, that of the run's own.
    """

    def __init__(self, models: Models, catalogue: Catalogue) -> None:
        self.models = models
        self.catalogue = catalogue
        self._verbalizers: dict[tuple[str, int], tuple[SoftPrompt | None, Verbalizer]] = {}

    def row(self, name: str) -> Ranker:
        """The row of the results table called ``name``."""
        return self.models.ranker(name, self.catalogue)

    def scorer(self, prompt: SoftPrompt | None, *, adapter: bool) -> PromptScorer:
        """Asks with ``prompt``; ``adapter``: with what stage 2 taught the verbalizer. Whoever asks switches it off."""
        models = self.models
        row = method_row(models.config) if adapter else FROZEN
        learned = models.soft_prompt if prompt is None else prompt
        key = row, id(learned)
        if key not in self._verbalizers:
            self._verbalizers[key] = learned, models.verbalizer(row, self.catalogue, learned)
        return PromptScorer(models.backbone, self._verbalizers[key][1], prompt, models.config.llm.batch_size)

    def ranker(self, name: str, prompt: SoftPrompt | None, *, adapter: bool) -> Ranker:
        """The model called ``name``; without a prompt it gets the zero-shot request, which speaks of no teacher."""
        models = self.models
        scorer, prompts = self.scorer(prompt, adapter=adapter), models.prompts(self.catalogue)
        ranker = llm_ranker(name, scorer, prompts, models.config, models.split.n_items)
        return ranker if adapter else without_adapter(ranker)

    def prompts(self, others: dict[str, SoftPrompt] | None = None) -> dict[str, SoftPrompt | None]:
        """Soft prompts to compare with the run's own: none, its vectors in another order, an untrained one, others'.

        Raises:
            StudioError: the run has no soft prompt.
        """
        own, config = self.models.soft_prompt, self.models.config
        if own is None:
            raise StudioError("the run has no soft prompt", where="distill.prompt=none", remedy="ask about another run")
        order = torch.from_numpy(generator(config.seed, "shuffled-prompt").permutation(len(own)))
        shuffled = SoftPrompt(own.weight[order.to(own.weight.device)], own.backbone_name, own.head, own.conditioner)
        return {
            "removed": None,
            "shuffled": shuffled.to(own.weight.device),
            "random": random_prompt(config, self.models.backbone),
            **{f"run {name}": prompt for name, prompt in (others or {}).items()},
        }
