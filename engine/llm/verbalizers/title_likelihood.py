"""Full-title likelihood: how probable the model finds each candidate's whole title as the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from engine.llm.backbone import Backbone, Embedded
from engine.llm.prompts import Prompt
from engine.llm.verbalizers.base import NEUTRAL, Verbalizer, VerbalizerInputs
from engine.transfer import to_device

PRIOR_BATCH = 64
_READ: WeakKeyDictionary[Backbone, dict[tuple[Prompt, tuple[str, ...]], dict[int, float]]] = WeakKeyDictionary()
"""What titles of a catalogue are likely to be anyway, as far as it was asked; with titles of one's own not kept."""


class TitleLikelihood(Verbalizer):
    """``score = log p(title | prompt) - prior · log p(title | prompt without history)``.

    Likelihoods are of whole titles by teacher forcing, over the tokens that titles use; no end mark is asked for. Raw
    they favour short titles and those that the model likes to say; with ``prior=1`` the score is their pointwise mutual
    information with the history. What a title is likely to be anyway is read from the base model without adapters and
    without the soft prompt, so that it is one fixed number per title.

    Args:
        n_known: the first so many titles define which tokens are possible; titles of one's own that need others do not
            move the others' scores.
        without_history: the prompt with an empty history.
    """

    def __init__(
        self,
        backbone: Backbone,
        titles: Sequence[str],
        n_known: int,
        prior: float = 0.0,
        without_history: Prompt = NEUTRAL,
    ) -> None:
        self.backbone = backbone
        self.tokens = backbone.encoder.all_tokens([f" {title}" for title in titles])
        used = {token for tokens in self.tokens[:n_known] for token in tokens}
        self.beyond = {item for item, tokens in enumerate(self.tokens) if not used.issuperset(tokens)}
        """Titles of one's own with tokens that no title of the data set has."""
        self.vocabulary = self._sorted(used)
        self.wide = self._sorted({token for tokens in self.tokens for token in tokens})
        self.prior = prior
        self.without_history = without_history
        read = _READ.setdefault(backbone, {}) if len(titles) == n_known else {}
        self._priors = read.setdefault((without_history, tuple(titles)), {})

    @classmethod
    def make(cls, given: VerbalizerInputs) -> Self:
        return cls(given.backbone, given.titles, given.n_known, given.config.prior or 0.0)

    def scores(self, batch: Embedded, candidates: Tensor) -> Tensor:
        likelihood = self.likelihoods(batch, candidates)
        return likelihood - self.prior * self.priors(candidates) if self.prior else likelihood

    def likelihoods(self, batch: Embedded, candidates: Tensor) -> Tensor:
        """``log p(title | prompt)``: float32 ``[B, m]``; differentiable."""
        return self._logprobs(batch, candidates.tolist())

    def priors(self, candidates: Tensor) -> Tensor:
        """``log p(title | prompt without history)``: float32, of the shape of ``candidates``."""
        asked = candidates.flatten().tolist()
        missing = sorted(set(asked) - self._priors.keys())
        with torch.no_grad(), self.backbone.without_adapter():
            for start in range(0, len(missing), PRIOR_BATCH):
                items = missing[start : start + PRIOR_BATCH]
                batch = self.backbone.embed([self.backbone.encode(self.without_history)])
                values = self._logprobs(batch, [items])[0]
                self._priors.update(zip(items, values.tolist(), strict=True))
        found = to_device([self._priors[i] for i in asked], candidates.device)
        return found.view(candidates.shape)

    def _logprobs(self, batch: Embedded, items: list[list[int]]) -> Tensor:
        """``log p(title | prompt)`` of ``items [B][m]``: float32 ``[B, m]``."""
        ask = self.backbone.continuation_logprobs
        beyond = [[item in self.beyond for item in row] for row in items]
        if not any(map(any, beyond)):
            return ask(batch, [[self.tokens[item] for item in row] for row in items], self.vocabulary)
        texts = [[self.tokens[0 if item in self.beyond else item] for item in row] for row in items]
        own = ask(batch, [[self.tokens[item] for item in row] for row in items], self.wide)
        return torch.where(to_device(beyond, own.device), own, ask(batch, texts, self.vocabulary))

    def _sorted(self, tokens: set[int]) -> Tensor:
        return to_device(sorted(tokens), self.backbone.device, torch.int64)
