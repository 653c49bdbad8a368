"""Softmax over the catalogue, or a sample of it, with its gradients, a few states and a few thousand items at a time.

Scores of many states for all items of a large catalogue are far bigger than a processor's cache; written, read and
differentiated as a whole they cost several times their arithmetic. So they are never all there: a first pass over the
items finds each state's normaliser, a second one asks the scores again and adds up the gradients (Wijmans et al., "Cut
your losses in large-vocabulary language models", ICLR 2025). A small catalogue is a single block and asked once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

SCORES_AT_ONCE = 2**19
ITEMS_AT_ONCE = 2048


def softmax_loss(
    states: Tensor, items: Tensor, bias: Tensor, labels: Tensor, smoothing: float
) -> tuple[float, Tensor, Tensor, Tensor]:
    """Cross-entropy of ``states @ items.T + bias`` against ``labels``; nothing here is seen by autograd.

    Args:
        states: float32 ``[N, width]``; ``items`` float32 ``[n_items, width]``; ``bias`` float32 ``[n_items]``.
        labels: int64 ``[N]``.
        smoothing: share of a label's probability that is spread over all items.

    Returns:
        The summed loss, and the gradients of its mean by states, items and bias.
    """
    weight, spread = (1 - smoothing) / len(states), smoothing / len(states) / len(items)
    by_states, by_items, by_bias = torch.zeros_like(states), torch.zeros_like(items), torch.zeros_like(bias)
    blocks = list(zip(*(tensor.split(ITEMS_AT_ONCE) for tensor in (items, bias, by_items, by_bias)), strict=True))
    rows = SCORES_AT_ONCE // min(len(items), ITEMS_AT_ONCE)
    total = 0.0
    for part, part_labels, by_part in zip(states.split(rows), labels.split(rows), by_states.split(rows), strict=True):
        first = 0
        for logprobs, (vectors, _, by_vectors, by_offsets) in zip(_logprobs(part, blocks), blocks, strict=True):
            inside = ((part_labels >= first) & (part_labels < first + len(vectors))).nonzero().squeeze(1)
            place = inside, part_labels[inside] - first
            total -= float(weight * logprobs[place].sum() + (spread * logprobs.sum() if spread else 0)) * len(states)
            gradient = logprobs.exp_().mul_(1 / len(states))
            if spread:
                gradient.sub_(spread)
            gradient[place] -= weight
            by_part.add_(gradient @ vectors)
            by_vectors.add_(gradient.T @ part)
            by_offsets.add_(gradient.sum(0))
            first += len(vectors)
    return total, by_states, by_items, by_bias


def sampled_softmax_loss(
    states: Tensor, items: Tensor, bias: Tensor, labels: Tensor, negatives: Tensor
) -> tuple[float, Tensor, Tensor, Tensor]:
    """Cross-entropy over each label and ``negatives``, which stand for all other items; as :func:`softmax_loss`.

    K of n items are drawn uniformly, so each of them stands for n / K: log(n / K) is added to its score (the logQ
    correction for a uniform proposal; Bengio and Senécal, IEEE TNN 2008, with the label itself always in). Then the
    normaliser is that of the full softmax in expectation, and with all n items the loss is the full softmax's. Where a
    label was drawn too it counts once.

    Args:
        negatives: int64 ``[K]``, distinct, shared by all states.
    """
    vectors, offsets = items[negatives], bias[negatives] + math.log(len(items) / len(negatives))
    by_states, by_items, by_bias = torch.zeros_like(states), torch.zeros_like(items), torch.zeros_like(bias)
    by_vectors, by_offsets = torch.zeros_like(vectors), torch.zeros_like(offsets)
    rows = max(1, SCORES_AT_ONCE // len(negatives))
    total = 0.0
    for part, part_labels, by_part in zip(states.split(rows), labels.split(rows), by_states.split(rows), strict=True):
        own_vectors = items[part_labels]
        own = (part * own_vectors).sum(1) + bias[part_labels]
        scores = torch.addmm(offsets, part, vectors.T).masked_fill_(negatives == part_labels[:, None], -torch.inf)
        normaliser = torch.logaddexp(scores.logsumexp(1), own)
        total += float((normaliser - own).sum())
        gradient = scores.sub_(normaliser[:, None]).exp_().div_(len(states))
        by_own = (own - normaliser).exp_().sub_(1).div_(len(states))
        by_part.add_(gradient @ vectors).add_(by_own[:, None] * own_vectors)
        by_vectors.add_(gradient.T @ part)
        by_offsets.add_(gradient.sum(0))
        by_items.index_add_(0, part_labels, by_own[:, None] * part)
        by_bias.index_add_(0, part_labels, by_own)
    return total, by_states, by_items.index_add_(0, negatives, by_vectors), by_bias.index_add_(0, negatives, by_offsets)


def _logprobs(part: Tensor, blocks: list[tuple[Tensor, ...]]) -> Iterable[Tensor]:
    """Log-probabilities of each block's items, float32 ``[rows, block]``, one block after another."""
    scores = (torch.addmm(bias, part, items.T) for items, bias, *_ in blocks)
    if len(blocks) == 1:
        return (block.log_softmax(1) for block in scores)
    normaliser = torch.stack([block.logsumexp(1) for block in scores], dim=1).logsumexp(1, keepdim=True)
    return (torch.addmm(bias, part, items.T).sub_(normaliser) for items, bias, *_ in blocks)
