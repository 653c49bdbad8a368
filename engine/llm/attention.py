"""Attention over spans: all prompts of a batch lie in one row, where nothing is padded and nothing shared stands twice.

On two cores this takes half as long as masked attention over a padded batch, and the linear layers get fewer tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "spans"
ALIGNED = 32
"""Keys are filled up to a multiple of this; PyTorch's flash attention in bf16 takes half as long again over others."""


@dataclass(frozen=True, eq=False)
class Span:
    """Neighbouring tokens ``[start, end)`` of the row that see the same others: the spans ``above``, in this order.

    ``seen``: bool ``[n, n]``, which of their own each of them sees, itself among them; ``None``: all up to itself.
    """

    start: int
    end: int
    above: tuple[Span, ...] = ()
    seen: Tensor | None = None

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def path(self) -> tuple[Span, ...]:
        """The spans above and this one: all whose keys are looked at."""
        return (*self.above, self)


class Spans:
    """The spans of a row, in order and without gaps, and the masks that all layers share."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = tuple(spans)
        self._masks: list[Tensor] = []

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def masks(self, like: Tensor, heads: int) -> list[Tensor]:
        """To be added to the scores of each span, for ``heads`` query heads below each other: ``[heads * n, T]``."""
        if not self._masks:
            self._masks = [_mask(span, like).repeat(heads, 1) for span in self.spans]
        return self._masks


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    spans: Spans | None = None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """Attention as Transformers calls it; with ``spans``, ``query [1, H, N, D]``, key and value ``[1, G, N, D]``.

    Returns:
        ``[B, S, H, D]`` (with spans ``[1, N, H, D]``), and no weights.
    """
    if spans is None:
        answer, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
        return answer, None
    learned = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value))
    # In float32, and everywhere but on CPUs, PyTorch's own backward pass is the faster one.
    attend = _OwnBackwards.apply if learned and query.is_cpu and query.dtype == torch.bfloat16 else _attend
    return attend(query, key, value, spans, settings.get("scaling") or query.shape[-1] ** -0.5), None


def _attend(query: Tensor, key: Tensor, value: Tensor, spans: Spans, scale: float) -> Tensor:
    (_, H, _, D), G = query.shape, key.shape[1]
    sizes = [len(span) for span in spans]
    keys, values = (dict(zip(spans, tensor.split(sizes, dim=2), strict=True)) for tensor in (key, value))
    answers = []
    for span, part, mask in zip(spans, query.split(sizes, dim=2), spans.masks(query, H // G), strict=True):
        # The query heads of one key head lie below each other, so that no key has to be copied for each of them.
        q = part.reshape(1, G, -1, D)
        k, v = (_seen(span, found, mask.shape[1]) for found in (keys, values))
        answer = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        answers.append(answer.view(1, H, -1, D).transpose(1, 2))
    return torch.cat(answers, dim=1)


class _OwnBackwards(torch.autograd.Function):
    """Forwards as usual. Backwards one span after another, from the inputs, as matrix products that fit the cache:
    PyTorch's flash attention takes far longer backwards than forwards in bf16 on CPUs, and more than twice as long."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, spans: Spans, scale: float) -> Tensor:
        ctx.save_for_backward(query, key, value)
        ctx.spans, ctx.scale = spans, scale
        return _attend(query, key, value, spans, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        (_, H, N, D), G = query.shape, key.shape[1]
        for_query = query.new_empty(H, N, D)
        # What many spans look at gets many small gradients; bf16 would lose them in the sum.
        for_key, for_value = (torch.zeros_like(tensor[0], dtype=torch.float32) for tensor in (key, value))
        spans: Spans = ctx.spans
        sizes = [len(span) for span in spans]
        keys, values = (dict(zip(spans, tensor.split(sizes, dim=2), strict=True)) for tensor in (key, value))
        for span, mask in zip(spans, spans.masks(query, H // G), strict=True):
            own = slice(span.start, span.end)
            gradient = gradients[0][0, own].transpose(0, 1).reshape(G, -1, D)
            q, k, v = query[0, :, own].reshape(G, -1, D), *(_seen(span, x, mask.shape[1])[0] for x in (keys, values))
            scores = torch.baddbmm(mask.expand(G, -1, -1), q, k.transpose(1, 2), alpha=ctx.scale)
            with torch.enable_grad():
                weights = scores.requires_grad_().softmax(-1)
            (of_scores,) = torch.autograd.grad(weights, scores, gradient @ v.transpose(1, 2))
            of_query = (of_scores @ k).mul_(ctx.scale)
            of_key = (of_scores.transpose(1, 2) @ q).mul_(ctx.scale)
            of_value = weights.detach().transpose(1, 2) @ gradient
            for_query[:, own] = of_query.view(H, -1, D)
            for total, found in ((for_key, of_key), (for_value, of_value)):
                at = 0
                for seen in span.path:
                    total[:, seen.start : seen.end] += found[:, at : at + len(seen)]
                    at += len(seen)
        return for_query[None], for_key.to(key.dtype)[None], for_value.to(value.dtype)[None], None, None


def _seen(span: Span, parts: dict[Span, Tensor], size: int) -> Tensor:
    """Keys or values that a span looks at, filled up: ``[1, G, size, D]``."""
    found = [parts[seen] for seen in span.path]
    missing = size - sum(part.shape[2] for part in found)
    return torch.cat([*found, found[0].new_zeros(*found[0].shape[:2], missing, found[0].shape[3])], dim=2)


def _mask(span: Span, like: Tensor) -> Tensor:
    """``[n, T]`` in the dtype of ``like``: zero where a token sees, minus infinity where it does not."""
    n, above = len(span), sum(map(len, span.above))
    seen = torch.ones(n, n, dtype=torch.bool).tril() if span.seen is None else span.seen
    mask = torch.full((n, -(-(above + n) // ALIGNED) * ALIGNED), -torch.inf, dtype=like.dtype, device=like.device)
    mask[:, :above] = 0
    mask[:, above : above + n].masked_fill_(seen.to(like.device), 0)
    return mask


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
