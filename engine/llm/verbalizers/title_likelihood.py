"""Full-title likelihood: how probable the model finds each candidate's whole title as the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from engine.llm.backbone import Backbone, Embedded
from engine.llm.verbalizers.base import NEUTRAL, Verbalizer

PRIOR_BATCH = 64


class TitleLikelihood(Verbalizer):
    """A title's score is its log-likelihood at the answer slot, by teacher forcing; no end mark is asked for.

    ``normalise``: ``sum`` over the title's tokens (short titles are favoured), ``mean`` per token (long titles that can
    be copied from the candidate list are), or ``prior``: the sum minus the sum behind a neutral prompt, read from the
    base model without adapters, so that it is one fixed number per title.
    """

    name = "title-likelihood"

    def __init__(
        self, backbone: Backbone, titles: Sequence[str], normalise: Literal["sum", "mean", "prior"] = "sum"
    ) -> None:
        self.backbone = backbone
        self.titles = backbone.encoder.all_tokens([f" {title}" for title in titles])
        self.normalise = normalise
        self._priors: dict[int, float] = {}

    def scores(self, batch: Embedded, candidates: Tensor) -> Tensor:
        rows: list[list[int]] = candidates.tolist()
        likelihood = self.backbone.continuation_logprobs(batch, [[self.titles[i] for i in row] for row in rows])
        if self.normalise == "mean":
            return likelihood / likelihood.new_tensor([[len(self.titles[i]) for i in row] for row in rows])
        if self.normalise == "prior":
            return likelihood - likelihood.new_tensor(self._prior(rows))
        return likelihood

    def _prior(self, rows: list[list[int]]) -> list[list[float]]:
        missing = sorted({i for row in rows for i in row} - self._priors.keys())
        with torch.no_grad(), self.backbone.without_adapter():
            for start in range(0, len(missing), PRIOR_BATCH):
                items = missing[start : start + PRIOR_BATCH]
                batch = self.backbone.embed([self.backbone.encode(NEUTRAL)])
                values = self.backbone.continuation_logprobs(batch, [[self.titles[i] for i in items]])[0]
                self._priors.update(zip(items, values.tolist(), strict=True))
        return [[self._priors[i] for i in row] for row in rows]
