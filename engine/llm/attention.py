"""Attention over spans: all prompts of a batch lie in one row, where nothing is padded and nothing shared stands twice.

No more keys are computed with than are visible, and the linear layers get fewer tokens than in a padded batch.
Shapes below: N tokens, H heads of queries, G of keys and values (G divides H), D dimensions each.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from engine.transfer import to_device

ALIGNED = 32
"""Keys are filled up to a multiple of this; over other numbers PyTorch's flash attention in bf16 is slower."""


MOST_JOINED = 1024
"""Tokens that are joined to one span on GPUs: rows and columns of a mask."""


@dataclass(frozen=True, eq=False)
class Span:
    """Neighbouring tokens ``[start, end)`` of the row that see the same others: the spans ``above``, in this order.

    ``seen``: bool ``[n, n]``, which of their own each of them sees, itself among them; ``None``: all up to itself.
    ``parts``: the spans that were joined to this one, if any.
    """

    start: int
    end: int
    above: tuple[Span, ...] = ()
    seen: Tensor | None = None
    parts: tuple[Span, ...] = ()

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def path(self) -> tuple[Span, ...]:
        """The spans above and this one, or its parts: all whose keys are attended to."""
        return (*self.above, *(self.parts or (self,)))

    def places(self, positions: Iterable[int]) -> Iterator[int]:
        """Where in the row these positions of the text along the path stand."""
        row = [place for span in self.path for place in range(span.start, span.end)]
        return (row[position] for position in positions)


class Spans:
    """The spans of a row, in order and without gaps, and the masks that all layers share.

    Args:
        spans: all of them.
        asked: places of the row whose queries are asked, ascending; ``None``: all.
    """

    def __init__(self, spans: Sequence[Span], asked: Sequence[int] | None = None) -> None:
        self.spans = tuple(part for span in spans for part in span.parts or (span,))
        self.sizes = [len(part) for part in self.spans]
        queried = range(sum(self.sizes)) if asked is None else asked
        ends = [bisect_left(queried, span.end) for span in spans]
        parts = (queried[start:end] for start, end in itertools.pairwise([0, *ends]))
        self.asked = {span: places for span, places in zip(spans, parts, strict=True) if places}
        self._masks: list[Tensor] = []

    def split(self, row: Tensor) -> dict[Span, Tensor]:
        """``row [N, ...]`` span by span."""
        return dict(zip(self.spans, row.split(self.sizes), strict=True))

    def split_asked(self, query: Tensor) -> Iterator[tuple[Span, Tensor]]:
        """``query [A, ...]`` by the spans that have any."""
        return zip(self.asked, query.split([len(places) for places in self.asked.values()]), strict=True)

    def questions(self, query: Tensor, groups: int) -> Iterator[tuple[Span, Tensor, Tensor]]:
        """Of each span with queries among ``query [A, H, D]``: the span, its own, and what is added to their scores.

        Queries ``[G, a * H / G, D]``, below each other what shares keys, so that none has to be copied; masks
        ``[a * H / G, T]``, T counting the keys that the span attends to, filled up.
        """
        if not self._masks:
            heads = query.shape[1] // groups
            for span, asked in self.asked.items():
                rows = [place - span.start for place in asked]
                self._masks.append(_mask(span, query)[rows].repeat_interleave(heads, 0))
        for (span, part), mask in zip(self.split_asked(query), self._masks, strict=True):
            yield span, _by_group(part, groups), mask


def joined(spans: Sequence[Span], device: torch.device, most: int = MOST_JOINED) -> list[Span]:
    """Neighbours as one span in which every token sees whom it saw: on GPUs few large products, not many small ones.

    Those are joined that see the same spans outside, up to ``most`` tokens: a mask of all tokens of a row by all would
    be far larger than everything else that is kept, and nearly empty.
    """
    groups: list[list[Span]] = []
    for span in spans:
        group = groups[-1] if groups else []
        outside = tuple(above for above in span.above if above not in group)
        if group and outside == group[0].above and span.end - group[0].start <= most:
            group.append(span)
        else:
            groups.append([span])
    return [_as_one(group, device) for group in groups]


def _as_one(group: Sequence[Span], device: torch.device) -> Span:
    start, end = group[0].start, group[-1].end
    seen = torch.zeros(end - start, end - start, dtype=torch.bool)
    for span in group:
        n, rows = len(span), seen[span.start - start : span.end - start]
        for above in span.above:
            if above in group:
                rows[:, above.start - start : above.end - start] = True
        own = torch.ones(n, n, dtype=torch.bool).tril() if span.seen is None else span.seen
        rows[:, span.start - start : span.end - start] = own
    return Span(start, end, group[0].above, to_device(seen, device), tuple(group))


def attend(query: Tensor, key: Tensor, value: Tensor, spans: Spans, scale: float) -> Tensor:
    """Attention of ``query [A, H, D]`` to ``key`` and ``value`` ``[N, G, D]``: ``[A, H, D]``; differentiable.

    Args:
        query: of the A tokens that ``spans`` asks.
    """
    learned = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value))
    if learned and query.is_cpu and query.dtype == torch.bfloat16:
        answer: Tensor = _Plain.apply(query, key, value, spans, scale)  # type: ignore[no-untyped-call]
        return answer
    return _flash(query, key, value, spans, scale)


def _flash(query: Tensor, key: Tensor, value: Tensor, spans: Spans, scale: float) -> Tensor:
    keys, values = spans.split(key), spans.split(value)
    answers = []
    for span, q, mask in spans.questions(query, key.shape[1]):
        k, v = (_attended(span, found, mask.shape[1]) for found in (keys, values))
        answer = scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask, scale=scale)
        answers.append(_by_token(answer[0], query.shape[1]))
    return torch.cat(answers)


class _Plain(torch.autograd.Function):
    """The same as matrix products, one span after another, so that what lies between them fits the cache.

    Forwards PyTorch's flash attention is as fast; backwards it is far slower in bf16 on CPUs.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, spans: Spans, scale: float) -> Tensor:
        keys, values = spans.split(key), spans.split(value)
        answers, saved = [], []
        for span, q, mask in spans.questions(query, key.shape[1]):
            k, v = (_attended(span, found, mask.shape[1]) for found in (keys, values))
            weights = torch.baddbmm(mask.expand(len(k), -1, -1), q, k.transpose(1, 2), alpha=scale).softmax(-1)
            answers.append(_by_token(weights @ v, query.shape[1]))
            saved += [q, k, v, weights]
        ctx.save_for_backward(*saved)
        ctx.spans, ctx.scale, ctx.shape = spans, scale, key.shape
        return torch.cat(answers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        spans: Spans = ctx.spans
        # What many spans look at gets many small gradients; bf16 would lose them in the sum.
        sums = [gradients[0].new_zeros(ctx.shape, dtype=torch.float32) for _ in range(2)]
        for_keys, for_values = (spans.split(row) for row in sums)
        for_query = []
        saved = iter(ctx.saved_tensors)
        H, G = gradients[0].shape[1], ctx.shape[1]
        for span, given in spans.split_asked(gradients[0]):
            q, k, v, weights = itertools.islice(saved, 4)
            gradient = _by_group(given, G)
            of_weights = gradient @ v.transpose(1, 2)
            of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            for_query.append(_by_token((of_scores @ k).mul_(ctx.scale), H))
            _add(for_keys, span, (of_scores.transpose(1, 2) @ q).mul_(ctx.scale))
            _add(for_values, span, weights.transpose(1, 2) @ gradient)
        return torch.cat(for_query), *(row.to(gradients[0].dtype) for row in sums), None, None


def _by_group(part: Tensor, groups: int) -> Tensor:
    """``[a, H, D]`` as ``[G, a * H / G, D]``."""
    a, _, D = part.shape
    return part.view(a, groups, -1, D).transpose(0, 1).reshape(groups, -1, D)


def _by_token(part: Tensor, heads: int) -> Tensor:
    """``[G, a * H / G, D]`` back as ``[a, H, D]``."""
    G, _, D = part.shape
    return part.view(G, -1, heads // G, D).transpose(0, 1).reshape(-1, heads, D)


def _attended(span: Span, parts: dict[Span, Tensor], size: int) -> Tensor:
    """Keys or values that a span attends to, filled up: ``[G, size, D]``."""
    found = [parts[seen] for seen in span.path]
    missing = size - sum(map(len, found))
    return torch.cat([*found, found[0].new_zeros(missing, *found[0].shape[1:])]).transpose(0, 1)


def _add(sums: dict[Span, Tensor], span: Span, gradients: Tensor) -> None:
    """Add ``gradients [G, T, D]`` to what the spans attended to have."""
    sizes = [len(seen) for seen in span.path]
    for seen, part in zip(span.path, gradients[:, : sum(sizes)].split(sizes, dim=1), strict=True):
        sums[seen] += part.transpose(0, 1)


def _mask(span: Span, like: Tensor) -> Tensor:
    """``[n, T]`` in the dtype of ``like``: zero where a token sees, minus infinity where it does not."""
    n, above = len(span), sum(map(len, span.above))
    seen = torch.ones(n, n, dtype=torch.bool).tril() if span.seen is None else span.seen
    mask = torch.full((n, -(-(above + n) // ALIGNED) * ALIGNED), -torch.inf, dtype=like.dtype, device=like.device)
    mask[:, :above] = 0
    mask[:, above : above + n].masked_fill_(to_device(seen, like.device), 0)
    return mask
