"""Activations of the frozen blocks below the adapters: the same row of prompts is computed once and then cached."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from engine.llm.attention import Span
from engine.memory import ACTIVATION_BYTES

LATEST_BYTES = 1 << 28
"""In memory, of the latest states, where a row is read again at once or never."""
FREE_BYTES = 1 << 31
"""What the file leaves of the disk for checkpoints and others."""


class ActivationStore(Protocol):
    """Where states are kept."""

    def get(self, key: bytes) -> Tensor | None: ...

    def add(self, key: bytes, states: Tensor) -> None: ...


class ActivationCache:
    """States behind the first ``layers`` blocks of a decoder, by the exact content of the rows that were read.

    Args:
        layers: blocks whose weights do not change while this cache is in use.
        store: where they are kept.
        learned: whether rows that are learned from come round again; if not, only others are kept.
    """

    def __init__(self, layers: int, store: ActivationStore, *, learned: bool = True) -> None:
        self.layers = layers
        self.store = store
        self.learned = learned

    def get(self, inputs: Tensor, position: Tensor, spans: Sequence[Span], compute: Callable[[], Tensor]) -> Tensor:
        """States ``[N, width]`` of a row, from the cache or from ``compute``; arguments as of
        :func:`engine.llm.decoder.packed_forward`."""
        if torch.is_grad_enabled() and not self.learned:
            return compute()
        key = _fingerprint(inputs, position, spans)
        if (kept := self.store.get(key)) is not None:
            return kept
        states = compute()
        self.store.add(key, states)
        return states


class LatestActivations:
    """In memory; new states drive out the oldest."""

    def __init__(self, most_bytes: int = LATEST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._states: dict[bytes, Tensor] = {}

    def get(self, key: bytes) -> Tensor | None:
        return self._states.get(key)

    def add(self, key: bytes, states: Tensor) -> None:
        while self._states and self.bytes + states.nbytes > self.most_bytes:
            self.bytes -= self._states.pop(next(iter(self._states))).nbytes
        if states.nbytes <= self.most_bytes:
            self.bytes += states.nbytes
            self._states[key] = states


class ActivationFile:
    """On disk, in a file without a name, which is gone with the process however that ends.

    The system keeps in memory what fits there, so that it is as quick as memory, and gives it up when something else
    needs the room. A full disk ends nothing: what has no room there is not added.

    Args:
        folder: where the file is; ``None``: among the system's temporary ones.
        most_bytes: room for states.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = ACTIVATION_BYTES) -> None:
        self.folder = Path(folder or tempfile.gettempdir())
        self.most_bytes = most_bytes
        self.bytes = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        # Without a buffer, which would try again to write what had no room; open as long as the cache is there.
        self._file = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._places: dict[bytes, tuple[int, torch.Size, torch.dtype, torch.device]] = {}

    def get(self, key: bytes) -> Tensor | None:
        if key not in self._places:
            return None
        offset, shape, dtype, device = self._places[key]
        states = torch.empty(shape, dtype=dtype)
        self._file.seek(offset)
        if self._file.readinto(states.view(torch.uint8).numpy().data) != states.nbytes:
            raise OSError(errno.EIO, "activations cannot be read back", str(self.folder))
        return states.to(device)

    def add(self, key: bytes, states: Tensor) -> None:
        if self.bytes + states.nbytes > self.most_bytes:
            return
        try:
            if shutil.disk_usage(self.folder).free < FREE_BYTES + states.nbytes:
                return
            self._file.seek(self.bytes)
            written = self._file.write(states.detach().contiguous().view(torch.uint8).cpu().numpy().data)
        except OSError:  # of quotas, say, nothing can be asked beforehand
            written = 0
        if written == states.nbytes:
            self._places[key] = self.bytes, states.shape, states.dtype, states.device
            self.bytes += states.nbytes


def _fingerprint(inputs: Tensor, position: Tensor, spans: Sequence[Span]) -> bytes:
    shape = [(span.start, span.end, [above.start for above in span.above]) for span in spans]
    digest = hashlib.blake2b(repr((inputs.dtype, shape)).encode(), digest_size=16)
    for tensor in (inputs, position, *(span.seen for span in spans if span.seen is not None)):
        digest.update(tensor.detach().contiguous().view(torch.uint8).cpu().numpy().tobytes())
    return digest.digest()
