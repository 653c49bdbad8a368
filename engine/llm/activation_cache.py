"""Activations of the frozen blocks below the adapters: the same row of prompts is computed once and then cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.llm.attention import Span

MOST_BYTES = 1 << 30
"""Of states that are kept. Rows for which there is no room are computed whenever they are read."""


class ActivationCache:
    """States behind the first ``layers`` blocks of a decoder, by the exact content of the rows that were read.

    Args:
        layers: blocks whose weights do not change while this cache is in use.
        most_bytes: room for states.
    """

    def __init__(self, layers: int, most_bytes: int = MOST_BYTES) -> None:
        self.layers = layers
        self.most_bytes = most_bytes
        self.bytes = 0
        self._states: dict[bytes, Tensor] = {}

    def get(self, inputs: Tensor, position: Tensor, spans: Sequence[Span], compute: Callable[[], Tensor]) -> Tensor:
        """States ``[N, width]`` of a row, from the cache or from ``compute``; arguments as of
        :func:`engine.llm.decoder.packed_forward`."""
        key = _fingerprint(inputs, position, spans)
        if key in self._states:
            return self._states[key]
        states = compute()
        if states.is_inference():  # ranking makes such; training could not use them
            with torch.inference_mode(False):
                states = states.clone()
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
