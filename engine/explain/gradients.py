"""Integrated gradients (Sundararajan et al. 2017) on the input embeddings, summed over the tokens of each history item.

The path goes from a prompt whose history tokens all are the average token to the prompt as it is. What the attributions
leave of the difference between both ends is the completeness error.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.errors import StudioError
from engine.explain.predictor import Instance
from engine.llm import Embedded, LLMRanker
from engine.models import llm_of
from engine.ranking import Ranker

STEPS = 16
"""Points of the path, at the nodes of Gauss and Legendre."""
AT_ONCE = 4
"""Points that go through the model together."""


@dataclass(frozen=True)
class Attributions:
    """What each history item brings the target's lead over its strongest rival."""

    items: np.ndarray
    """float64 ``[n]``."""
    rival: int
    """Id of the candidate that is best among the others; it stays the same along the path."""
    lead: float
    """Score of the target minus the rival's, with the history as it is."""
    baseline: float
    """The same with the average token in place of every history token."""
    steps: int

    @property
    def completeness_error(self) -> float:
        """How far the attributions' sum is from ``lead - baseline``."""
        return float(abs(self.items.sum() - (self.lead - self.baseline)))


def integrated_gradients(ranker: Ranker, instance: Instance, steps: int = STEPS) -> Attributions:
    """Attribute the target's lead over its strongest rival to the history items.

    Args:
        steps: points of the path; more lower the completeness error and cost a forward and a backward pass each.

    Raises:
        StudioError: the model is no language model, or the prompt is longer than its context.
    """
    plain = llm_of(ranker)
    if plain is None:
        raise StudioError(
            f"{ranker.name} reads no text", where="gradients", remedy="ask for its leave-one-out effects instead"
        )
    backbone = plain.scorer.backbone
    with backbone.without_adapter() if plain is not ranker else contextlib.nullcontext():
        return _Path(plain, instance).attributions(steps)


class _Path:
    """The straight line of embeddings, and the lead along it."""

    def __init__(self, ranker: LLMRanker, instance: Instance) -> None:
        scorer = ranker.scorer
        self.backbone, self.verbalizer = scorer.backbone, scorer.verbalizer
        soft = None if scorer.soft_prompt is None else scorer.soft_prompt.weight.detach()
        encoded = self.backbone.encode(
            ranker.prompt(instance.history, instance.candidates), 0 if soft is None else len(soft)
        )
        self.end = self.backbone.embed([encoded], soft).inputs[0].detach().float()
        self.spans = [encoded.spans["history", i] for i in range(len(instance.history))]
        self.start = self.end.clone()
        for span in self.spans:
            self.start[span] = self._average_token()
        self.instance = instance
        with torch.inference_mode():
            scores = self._scores(torch.stack([self.end, self.start]))
        others = scores[0].clone()
        others[instance.target] = -torch.inf
        self.rival = int(others.argmax())
        self.leads: list[float] = (scores[:, instance.target] - scores[:, self.rival]).tolist()

    def attributions(self, steps: int) -> Attributions:
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        total = torch.zeros_like(self.end)
        for begin in range(0, steps, AT_ONCE):
            shares = torch.tensor((nodes[begin : begin + AT_ONCE] + 1) / 2, dtype=torch.float32)
            points = self.start + shares.to(self.end.device)[:, None, None] * (self.end - self.start)
            points.requires_grad_(True)
            scores = self._scores(points)
            lead = (scores[:, self.instance.target] - scores[:, self.rival]).sum()
            (gradient,) = torch.autograd.grad(lead, points)
            for weight, part in zip(weights[begin : begin + AT_ONCE] / 2, gradient, strict=True):
                total += float(weight) * part
        by_token = ((self.end - self.start) * total).sum(dim=1).double().cpu()
        items = np.array([float(by_token[span].sum()) for span in self.spans])
        return Attributions(items, int(self.instance.candidates[self.rival]), self.leads[0], self.leads[1], steps)

    def _average_token(self) -> Tensor:
        """float32 ``[width]``: the mean of all embeddings, as long as they are; the mean itself is so short that the
        first norm of the model would turn it round within the first step of the path."""
        tokens = self.backbone.embedding().weight.detach().float()
        mean = tokens.mean(dim=0)
        return mean * (tokens.norm(dim=1).mean() / mean.norm().clamp(min=1e-12))

    def _scores(self, points: Tensor) -> Tensor:
        """float32 ``[S, m]`` for embeddings ``[S, T, width]``."""
        lengths = torch.full((len(points),), points.shape[1], device=points.device)
        batch = Embedded(points.to(self.backbone.dtype), lengths)
        candidates = torch.as_tensor(self.instance.candidates, device=points.device).expand(len(points), -1)
        return self.verbalizer.scores(batch, candidates)
