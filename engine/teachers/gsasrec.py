"""gSASRec (Petrov and Macdonald, RecSys 2023): SASRec that is told negatives by a generalised binary cross-entropy.

Of all negatives only a share a is drawn, so that plain cross-entropy learns too high probabilities. gBCE raises the
positive's probability to the power b = t(a - 1) + 1, which undoes that wholly with t = 1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from engine.config import TeacherConfig
from engine.teachers.sasrec import SASRec
from engine.teachers.windows import Batch
from engine.transfer import to_device


class GSASRec(SASRec):
    """SASRec's network with another loss; it begins where it guesses, which is far from scores of 0."""

    def __init__(self, n_items: int, config: TeacherConfig) -> None:
        super().__init__(n_items, config)
        nn.init.constant_(self.bias, self.uniform_score)

    @property
    def sampling_rate(self) -> float:
        """The share a of the other items that is drawn."""
        return self.config.gsasrec.negatives / max(self.n_items - 1, 1)

    @property
    def beta(self) -> float:
        return self.config.gsasrec.t * (self.sampling_rate - 1) + 1

    @property
    def uniform_score(self) -> float:
        """The score of all items where all are equally probable."""
        return math.log(self.beta / self.sampling_rate) - math.log(max(self.n_items - 1, 1))

    def logprobs(self, states: Tensor) -> Tensor:
        """The loss is least where an item's score is the logit of its probability plus log(b / a)."""
        return logsigmoid(self.logits(states) - math.log(self.beta / self.sampling_rate)).log_softmax(-1)

    def backward(self, batch: Batch, learned: Tensor, random: np.random.Generator) -> tuple[float, float]:
        """At every place the next item is told from negatives that are drawn for the window as a whole."""
        drawn = random.integers(len(learned), size=(len(batch.real), self.config.gsasrec.negatives))
        negatives = learned[to_device(batch.own(torch.from_numpy(drawn)), learned.device)]
        real, labels = batch.own(batch.real), batch.own(batch.labels.where(batch.real, 0))
        states = self(batch.own(batch.inputs), real)
        positive = (states * self.items(labels)).sum(2) + self.bias[labels]
        others = states @ self.items(negatives).transpose(1, 2) + self.bias[negatives][:, None]  # [B, L, negatives]
        others = others.masked_fill(negatives[:, None] == labels[:, :, None], -torch.inf)  # no item is told from itself
        losses = gbce(positive[real], others[real], self.beta)
        losses.mean().backward()
        return float(losses.detach().sum()), len(losses)

    def uniform_loss(self) -> float:
        score = torch.tensor(self.uniform_score)
        return float(gbce(score[None], score.expand(1, self.config.gsasrec.negatives), self.beta))


def gbce(positive: Tensor, negatives: Tensor, beta: float) -> Tensor:
    """Losses ``[N]`` of positives' scores ``[N]`` against negatives' ``[N, K]``; -inf where there is none.

    Minus the mean over these K + 1 of log σ(positive)^beta and log(1 - σ(negative)).
    """
    return (beta * softplus(-positive) + softplus(negatives).sum(1)) / (negatives.shape[1] + 1)
