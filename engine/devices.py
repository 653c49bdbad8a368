"""Where tensors live: the processor, or a GPU where there is one; of several processes each has its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from engine import distributed
from engine.config import RunConfig
from engine.errors import StudioError


def check_devices(config: RunConfig) -> None:
    """Make sure that this machine has what a run's settings name, before any work is done.

    Raises:
        StudioError: it has no GPU where ``run.device`` asks for one, or not the device that a part of it is to use.
    """
    if config.run.device == "gpu" and not torch.cuda.is_available():
        raise StudioError(
            "the run asks for a GPU, and PyTorch finds none on this machine",
            where="run.device=gpu",
            remedy="queue it for a worker that has one, or set run.device=any",
        )
    choose_device(config.llm.device, "llm.device")
    choose_device(config.teacher.device, "teacher.device")


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
