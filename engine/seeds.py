"""Independent random streams from one seed, so that no stage's draws depend on what ran before it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A 32-bit seed for the stream called ``names``; equal on every machine and in every process."""
    return zlib.crc32("/".join(map(str, (seed, *names))).encode())


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator for the stream called ``names``."""
    import numpy as np  # most who import this draw nothing: shell, app, worker start without it

    return np.random.default_rng(derive(seed, *names))
