"""Title-token logits at the answer slot: one forward pass scores the whole catalogue."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Self
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.llm.backbone import Backbone
from engine.llm.verbalizers.base import NEUTRAL, StateVerbalizer, VerbalizerInputs

SPREAD = 0.5
"""Standard deviation of the catalogue's scores behind a neutral prompt, before any training."""


class TitleTokens(StateVerbalizer):
    """A title's score is the mean of its tokens' logits at the answer slot, rare tokens weighing more.

    Where logits are linear in the answer state, every title is a fixed vector, the weighted mean of its tokens' output
    embeddings; for a model that caps or shifts them, all are computed. Titles of the same tokens tie, whatever their
    order; the published code reads a title's first token only, where 36-49 % of MovieLens-100K's titles tie.

    One factor for all scores, which leaves every ranking as it is, brings them to ``SPREAD``. Raw logits lie so far
    apart that a softmax over candidates is sure of what the model merely says often: SmolLM2 then begins far above the
    loss of knowing nothing, and training would spend itself on unlearning that.

    Args:
        backbone: its output embeddings must not change afterwards; adapters elsewhere are fine.
        titles: by dense id, as :func:`engine.llm.prompts.prompt_titles` writes them.
        n_known: the first so many titles define how rare a token is and how far scores spread; titles of one's own do
            not move the others' scores.
    """

    @torch.no_grad()
    def __init__(self, backbone: Backbone, titles: Sequence[str], n_known: int) -> None:
        self.backbone = backbone
        self._means = TitleMeans(backbone, titles, n_known)
        self._items = self._means.of(backbone.output_matrix().float()) if backbone.linear_head else None
        """float32 ``[items, width]``: states times these are the scores of the whole catalogue, up to the factor."""
        self._factor = 1.0
        spread = float(self.state_scores(_neutral_state(backbone))[0, :n_known].std(correction=0))
        self._factor = SPREAD / (spread or SPREAD)
        if self._items is not None:
            self._items *= self._factor

    @classmethod
    def make(cls, given: VerbalizerInputs) -> Self:
        return cls(given.backbone, given.titles, given.n_known)

    def state_scores(self, states: Tensor) -> Tensor:
        if self._items is None:
            return self._means.of(self.backbone.logits(states).float().T).T * self._factor
        return states.float() @ self._items.T

    def scores_of(self, states: Tensor, candidates: Tensor) -> Tensor:
        if self._items is None:
            return super().scores_of(states, candidates)
        return (self._items[candidates] @ states.float()[:, :, None]).squeeze(2)


_NEUTRAL_STATES: WeakKeyDictionary[Backbone, Tensor] = WeakKeyDictionary()


@torch.no_grad()
def _neutral_state(backbone: Backbone) -> Tensor:
    """``[1, width]``: the base weights' answer to a neutral prompt. They are frozen: one pass serves all."""
    if backbone not in _NEUTRAL_STATES:
        with backbone.without_adapter():
            _NEUTRAL_STATES[backbone] = backbone.answer_states(backbone.embed([backbone.encode(NEUTRAL)]))
    return _NEUTRAL_STATES[backbone]


class TitleMeans:
    """Means over titles' tokens, rare tokens weighing more.

    Args:
        n_known: the first so many titles define how rare a token is.
    """

    def __init__(self, backbone: Backbone, titles: Sequence[str], n_known: int) -> None:
        tokens = backbone.encoder.all_tokens([f" {title}" for title in titles])
        seen = Counter(token for ids in tokens[:n_known] for token in set(ids))
        rarity = {token: math.log((n_known + 1) / (seen[token] + 0.5)) for ids in tokens for token in ids}
        weights = [rarity[token] / sum(rarity[t] for t in ids) for ids in tokens for token in ids]
        lengths = torch.tensor([0, *(len(ids) for ids in tokens)], device=backbone.device)
        self.tokens = torch.tensor([token for ids in tokens for token in ids], device=backbone.device)
        self.starts = lengths.cumsum(0)[:-1]
        self.weights = torch.tensor(weights, device=backbone.device)

    def of(self, table: Tensor) -> Tensor:
        """float32 ``[titles, n]`` from what each token of the vocabulary has, ``[vocabulary, n]``; differentiable."""
        return F.embedding_bag(self.tokens, table, self.starts, per_sample_weights=self.weights, mode="sum")
