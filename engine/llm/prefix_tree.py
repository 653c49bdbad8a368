"""Prompts of a batch as a prefix tree in one row: what some of them begin with is computed once.

All prompts of a run begin with the same instruction and soft prompt; two questions about one user share her history as
well. What is shared is found by comparing embeddings, so that changed inputs are never mistaken.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from engine.llm.attention import Span
from engine.llm.backbone import Embedded
from engine.transfer import to_device

SHORTEST_STEM = 16
"""Tokens that neighbours must share before these get a span of their own."""


@dataclass(frozen=True)
class Layout:
    """How a batch ``[B, T, width]`` is laid out in a row of N tokens."""

    prompt: Tensor
    """int64 ``[N]``: whose token stands here (the first owner's, if shared), and ..."""
    position: Tensor
    """... int64 ``[N]``: its position in that prompt."""
    spans: tuple[Span, ...]
    """In the order of the row."""
    leaves: tuple[Span, ...]
    """B spans: the one in which a prompt ends; its path is the whole prompt."""

    @property
    def ends(self) -> list[int]:
        """Where in the row each prompt ends."""
        return [leaf.end - 1 for leaf in self.leaves]

    def gather(self, inputs: Tensor) -> Tensor:
        """Lay out ``inputs [B, T, width]`` as ``[N, width]``; differentiable."""
        return inputs[self.prompt, self.position]


def lay_out(batch: Embedded) -> Layout:
    """The layout of a batch; prompts that begin alike should stand side by side."""
    lengths, alike = batch.lengths.tolist(), _alike(batch)
    spans: list[Span] = []
    owners: list[int] = []
    positions: list[int] = []
    leaves: list[Span] = []

    def put(prompt: int, start: int, end: int, above: tuple[Span, ...]) -> Span:
        spans.append(Span(len(owners), len(owners) + end - start, above))
        owners.extend([prompt] * (end - start))
        positions.extend(range(start, end))
        return spans[-1]

    def grow(first: int, last: int, start: int, above: tuple[Span, ...]) -> None:
        """Put the tokens from ``start`` on of the prompts ``[first, last)``, which are alike before it."""
        if last - first == 1:
            leaves.append(put(first, start, lengths[first], above))
            return
        common = min(alike[first : last - 1])
        if common - start >= SHORTEST_STEM:
            above, start = (*above, put(first, start, common, above)), common
        begin = first
        for prompt in range(first, last):
            if prompt + 1 == last or alike[prompt] - start < SHORTEST_STEM:
                grow(begin, prompt + 1, start, above)
                begin = prompt + 1

    grow(0, len(lengths), 0, ())
    device = batch.inputs.device
    return Layout(to_device(owners, device), to_device(positions, device), tuple(spans), tuple(leaves))


def _alike(batch: Embedded) -> list[int]:
    """Leading tokens that each prompt shares with the next one, the last token of either left out."""
    inputs, lengths = batch.inputs.detach(), batch.lengths.tolist()
    alike = (inputs[1:] == inputs[:-1]).all(2).long().cumprod(1).sum(1).tolist()
    return [min(count, a - 1, b - 1) for count, a, b in zip(alike, lengths, lengths[1:], strict=False)]
