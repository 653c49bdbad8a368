"""From the language model's output to scores of candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from engine.config import LLMConfig
from engine.llm.backbone import Backbone, Embedded
from engine.llm.prompts import Prompt, PromptTitles, Segment, prompt_titles

NEUTRAL = Prompt((Segment("Name any title."),), "The title is")
"""A prompt that tells nothing: no history, no candidates, no teacher. What the model says to it, it says anyway."""


@dataclass(frozen=True)
class VerbalizerInputs:
    """What a verbalizer may be made of."""

    config: LLMConfig
    backbone: Backbone
    catalogue: PromptTitles
    popularity: np.ndarray
    """int64 ``[items of the data set]``, training interactions."""
    seed: int
    """Of first weights."""

    @property
    def titles(self) -> tuple[str, ...]:
        """By dense id, as prompts write them; one's own stand behind the data set's."""
        return prompt_titles(self.catalogue, self.config.show_year, self.config.title_length)

    @property
    def n_known(self) -> int:
        """How many of them are the data set's; those behind must not move the scores of these."""
        return len(self.popularity)


class Verbalizer(ABC):
    """Scores candidates by what the model says at the answer slot of their prompts."""

    @classmethod
    @abstractmethod
    def make(cls, given: VerbalizerInputs) -> Self:
        """One for a run."""

    @abstractmethod
    def scores(self, batch: Embedded, candidates: Tensor) -> Tensor:
        """float32 ``[B, m]``, higher is better, for int64 ``candidates [B, m]``; differentiable."""

    def loss(self, batch: Embedded, candidates: Tensor, targets: Tensor, temperature: float = 1.0) -> Tensor:
        """Listwise cross-entropy, so that what ranks is trained.

        ``targets``: int64 ``[B]``, the right places in the list, or float32 ``[B, m]``, probabilities of all places, at
        the ``temperature`` at which the scores are compared with them (Hinton et al., 2015).
        """
        return F.cross_entropy(self.scores(batch, candidates) / temperature, targets) * temperature**2


class StateVerbalizer(Verbalizer):
    """One whose scores are a function of the state at the answer slot: one forward pass scores the whole catalogue."""

    backbone: Backbone

    @abstractmethod
    def state_scores(self, states: Tensor) -> Tensor:
        """float32 ``[N, items]`` for ``states [N, width]``; differentiable."""

    def scores_of(self, states: Tensor, candidates: Tensor) -> Tensor:
        """The same of ``candidates [N, m]`` alone: float32 ``[N, m]``."""
        return self.state_scores(states).gather(1, candidates)

    def scores(self, batch: Embedded, candidates: Tensor) -> Tensor:
        return self.scores_of(self.backbone.answer_states(batch), candidates)

    def catalogue_scores(self, batch: Embedded) -> Tensor:
        """float32 ``[B, items]``; differentiable."""
        return self.state_scores(self.backbone.answer_states(batch))

    def slot_scores(self, batch: Embedded) -> Tensor:
        """The same at every slot of every prompt: float32 ``[slots, items]``."""
        return self.state_scores(self.backbone.slot_states(batch))
