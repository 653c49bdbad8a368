"""Activations of the frozen blocks below the adapters: the same row of prompts is computed once and then cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.llm.attention import Span

MOST_BYTES = 1 << 30
"""Of states that are kept where rows come round again in passes. Those for which there is no room are computed whenever
they are read: if they drove out others, in each pass all would be driven out before they are read again."""
LATEST_BYTES = 1 << 28
"""Of the latest states, where a row is read again at once or never."""


class ActivationCache:
    """States behind the first ``layers`` blocks of a decoder, by the exact content of the rows that were read.

    Args:
        layers: blocks whose weights do not change while this cache is in use.
        latest: whether a new row drives out the oldest ones.
        learned: whether rows that are learned from come round again; if not, only others are kept.
        most_bytes: room for states; by default what suits that.
    """

    def __init__(
        self, layers: int, *, latest: bool = False, learned: bool = True, most_bytes: int | None = None
    ) -> None:
        self.layers = layers
        self.latest = latest
        self.learned = learned
        self.most_bytes = most_bytes or (LATEST_BYTES if latest else MOST_BYTES)
        self.bytes = 0
        self._states: dict[bytes, Tensor] = {}

    def get(self, inputs: Tensor, position: Tensor, spans: Sequence[Span], compute: Callable[[], Tensor]) -> Tensor:
        """States ``[N, width]`` of a row, from the cache or from ``compute``; arguments as of
        :func:`engine.llm.decoder.packed_forward`."""
        if torch.is_grad_enabled() and not self.learned:
            return compute()
        key = _fingerprint(inputs, position, spans)
        if key in self._states:
            return self._states[key]
        states = compute()
        if states.is_inference():  # ranking makes such; training could not use them
            with torch.inference_mode(False):
                states = states.clone()
        while self.latest and self._states and self.bytes + states.nbytes > self.most_bytes:
            self.bytes -= self._states.pop(next(iter(self._states))).nbytes
        if self.bytes + states.nbytes <= self.most_bytes:
            self.bytes += states.nbytes
            self._states[key] = states
        return states


def _fingerprint(inputs: Tensor, position: Tensor, spans: Sequence[Span]) -> bytes:
    shape = [(span.start, span.end, [above.start for above in span.above]) for span in spans]
    digest = hashlib.blake2b(repr((inputs.dtype, shape)).encode(), digest_size=16)
    for tensor in (inputs, position, *(span.seen for span in spans if span.seen is not None)):
        digest.update(tensor.detach().contiguous().view(torch.uint8).cpu().numpy().tobytes())
    return digest.digest()
