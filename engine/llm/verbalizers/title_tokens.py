"""Title-token logits at the answer slot: one forward pass scores the whole catalogue."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.llm.backbone import Backbone, Embedded
from engine.llm.verbalizers.base import NEUTRAL, Verbalizer

SPREAD = 0.5
"""Standard deviation of the catalogue's scores behind a neutral prompt, before any training."""


class TitleTokens(Verbalizer):
    """A title's score is the mean of its tokens' logits at the answer slot, rare tokens weighing more.

    The mean is linear in the answer state, so every title is a fixed vector, the weighted mean of its tokens' output
    embeddings. Titles of the same tokens tie, whatever their order; the published code reads a title's first token
    only, where 36-49 % of MovieLens-100K's titles tie.

    One factor for all scores, which leaves every ranking as it is, brings them to ``SPREAD``. Raw logits lie so far
    apart that a softmax over candidates is sure of what the model merely says often: SmolLM2 then begins far above the
    loss of knowing nothing, and training would spend itself on unlearning that.

    Args:
        backbone: its output embeddings must not change afterwards; adapters elsewhere are fine.
        titles: by dense id, as :func:`engine.llm.prompts.prompt_titles` writes them.
        known: the first so many titles define how rare a token is and how far scores spread; titles of one's own do
            not move the others' scores.
    """

    name = "title-tokens"

    @torch.no_grad()
    def __init__(self, backbone: Backbone, titles: Sequence[str], known: int) -> None:
        self.backbone = backbone
        self.items = title_vectors(backbone, titles, known)
        """float32 ``[items, width]``: ``answer states @ items.T`` are the scores of the whole catalogue."""
        neutral = (_neutral_state(backbone) @ self.items.T)[0, :known]
        self.items *= SPREAD / (float(neutral.std(correction=0)) or SPREAD)

    def catalogue_scores(self, batch: Embedded) -> Tensor:
        """float32 ``[B, items]``; differentiable."""
        return self.backbone.answer_states(batch).float() @ self.items.T

    def scores(self, batch: Embedded, candidates: Tensor) -> Tensor:
        states = self.backbone.answer_states(batch).float()
        return (self.items[candidates] @ states[:, :, None]).squeeze(2)


_NEUTRAL_STATES: WeakKeyDictionary[Backbone, Tensor] = WeakKeyDictionary()


@torch.no_grad()
def _neutral_state(backbone: Backbone) -> Tensor:
    """float32 ``[1, width]``: the base weights' answer to a neutral prompt. They are frozen: one pass serves all."""
    if backbone not in _NEUTRAL_STATES:
        with backbone.without_adapter():
            embedded = backbone.embed([backbone.encode(NEUTRAL)])
            _NEUTRAL_STATES[backbone] = backbone.answer_states(embedded).float()
    return _NEUTRAL_STATES[backbone]


@torch.no_grad()
def title_vectors(backbone: Backbone, titles: Sequence[str], known: int) -> Tensor:
    """float32 ``[items, width]``: the mean of each title's tokens' output embeddings, rare tokens weighing more.

    ``known``: the first so many titles define how rare a token is.
    """
    tokens = backbone.encoder.all_tokens([f" {title}" for title in titles])
    seen = Counter(token for ids in tokens[:known] for token in set(ids))
    rarity = {token: math.log((known + 1) / (seen[token] + 0.5)) for ids in tokens for token in ids}
    weights = [rarity[token] / sum(rarity[t] for t in ids) for ids in tokens for token in ids]
    lengths = torch.tensor([0, *(len(ids) for ids in tokens)], device=backbone.device)
    return F.embedding_bag(
        torch.tensor([token for ids in tokens for token in ids], device=backbone.device),
        backbone.output_matrix().float(),
        lengths.cumsum(0)[:-1],
        per_sample_weights=torch.tensor(weights, device=backbone.device),
        mode="sum",
    )
