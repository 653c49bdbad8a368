"""What an architecture is: how a history is written down and read, what its states say of every item, how it learns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from engine.architectures import ARCHITECTURES, TeacherName
from engine.config import TeacherConfig
from engine.registered import registered
from engine.subsets import places_in
from engine.teachers.loss import sampled_softmax_loss, softmax_loss
from engine.teachers.windows import Batch
from engine.transfer import to_device


class Network(nn.Module, ABC):
    """Turns item sequences into states that are compared with every item's embedding.

    Only ``forward`` has to be written; the rest is as for a causal network that learns by a softmax at every place.
    One more id than there are items, :attr:`start`, stands for no item. Everything here is to be a pure function of its
    arguments, the weights and PyTorch's generator, which is seeded anew for every epoch: so training resumes exactly.
    """

    causal: ClassVar[bool] = True
    """State t sees nothing behind place t, so one pass answers behind every prefix."""

    def __init__(self, n_items: int, config: TeacherConfig) -> None:
        super().__init__()
        self.n_items = n_items
        self.config = config
        self.items = nn.Embedding(n_items + 1, config.width)
        self.bias = nn.Parameter(torch.zeros(n_items))
        nn.init.normal_(self.items.weight, std=config.width**-0.5)

    @property
    def start(self) -> int:
        """The id that stands for no item."""
        return self.n_items

    def question(self, items: Tensor) -> Tensor:
        """The sequence int64 ``[n + 1]`` whose last state tells what follows ``items``, int64 ``[n]``.

        Here the start goes before them, so that an empty history has a state too.
        """
        return torch.cat([items.new_tensor([self.start]), items])

    @abstractmethod
    def forward(self, sequences: Tensor, real: Tensor) -> Tensor:
        """States float32 ``[B, L, width]`` for sequences int64 ``[B, L]``, padded on the right with any ids.

        ``real``: bool ``[B, L]``, False where there is padding, which no state of a real place may depend on.
        """

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all items, float32 ``[..., n_items]``, for states ``[..., width]``; output embeddings are tied."""
        return nn.functional.linear(states, self.items.weight[: self.n_items], self.bias)

    def logprobs(self, states: Tensor) -> Tensor:
        """Log-probabilities of the next item that the scores mean under the loss, float32 ``[..., n_items]``."""
        return self.logits(states).log_softmax(-1)

    @torch.no_grad()
    def reset_cold_items(self, cold: Tensor, learned: Tensor) -> None:
        """Of ``cold`` items nothing was learned: no direction, and the bias of the least expected; so they tie."""
        self.items.weight[cold] = 0
        self.bias[cold] = self.bias[learned].min()

    def item_embeddings(self) -> Tensor | None:
        """float32 ``[n_items, width]``, for models that learn from them; ``None`` where an architecture has none."""
        return self.items.weight[: self.n_items]

    def backward(self, batch: Batch, learned: Tensor, random: np.random.Generator) -> tuple[float, float]:
        """Add the gradients of the mean loss of a batch's own rows to the parameters'.

        What is drawn is drawn for the whole batch, so that it does not matter how it is shared.

        Args:
            batch: training windows, on the network's device.
            learned: int64 ids of the items that may be learned: cold ones are nobody's negatives either.
            random: for negatives and masks; the same in an epoch, whatever was done before it.

        Returns:
            The summed loss, and of how many labels.
        """
        real = batch.own(batch.real)
        states = self(batch.own(batch.inputs), real)[real]
        return self.softmax_backward(states, batch.own(batch.labels)[real], learned, random), len(states)

    def softmax_backward(self, states: Tensor, labels: Tensor, learned: Tensor, random: np.random.Generator) -> float:
        """Add the gradients of the mean cross-entropy of ``states`` ``[N, width]`` against ``labels`` ``[N]``.

        It is over all of ``learned``, or ``teacher.negatives`` of them drawn from ``random``.

        Returns:
            The summed loss.
        """
        embeddings, bias, settings = self.items.weight[: self.n_items], self.bias, self.config
        weights, biases = embeddings.detach(), bias.detach()
        if some := len(learned) < self.n_items:
            weights, biases, labels = weights[learned], biases[learned], places_in(learned, labels)
        tensors = states.detach(), weights, biases, labels
        if settings.negatives is None or settings.negatives >= len(weights):
            loss, by_states, by_items, by_bias = softmax_loss(*tensors, settings.label_smoothing)
        else:
            drawn = torch.from_numpy(random.choice(len(weights), settings.negatives, replace=False, shuffle=False))
            loss, by_states, by_items, by_bias = sampled_softmax_loss(*tensors, to_device(drawn, states.device))
        if some:
            by_items = torch.zeros_like(embeddings).index_copy_(0, learned, by_items)
            by_bias = torch.zeros_like(bias).index_copy_(0, learned, by_bias)
        torch.autograd.backward([states, embeddings, bias], [by_states, by_items, by_bias])
        return loss

    def uniform_loss(self) -> float:
        """The mean loss where all items are equally probable; training whose loss is far above it has diverged."""
        return math.log(self.n_items)


def network_class(name: TeacherName) -> type[Network]:
    """The network of an architecture, by its name in the settings."""
    found: type[Network] = registered(ARCHITECTURES[name].network)
    return found
