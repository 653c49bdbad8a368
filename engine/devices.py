"""Where tensors live: the processor, or a GPU where there is one; of several processes each has its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from engine import distributed
from engine.errors import StudioError


def choose_device(setting: str, where: str, order: Sequence[str] = ("cuda", "mps", "cpu")) -> torch.device:
    """``auto`` takes the first in ``order`` that this machine has; ``where`` names the setting.

    Raises:
        StudioError: the device that is asked for does not exist here.
    """
    available = ["cpu", *(["mps"] if torch.backends.mps.is_available() else [])]
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if setting == "auto":
        chosen = next(name for name in order if name in available)
        several = chosen == "cuda" and distributed.world_size() > 1
        return torch.device(f"cuda:{distributed.local_rank()}" if several else chosen)
    if setting not in available:
        raise StudioError(
            f"this machine has no device {setting!r}", where=where, remedy=f"choose auto, {', '.join(available)}"
        )
    return torch.device(setting)
