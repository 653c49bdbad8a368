"""Where tensors live: the processor, or a GPU where there is one; of several processes each has its own."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from engine import distributed, quantization
from engine.config import RunConfig
from engine.errors import StudioError


def check_machine(config: RunConfig) -> None:
    """Make sure that this machine has what a run's settings name, before any work is done.

    Raises:
        StudioError: it lacks the GPU that ``run.device`` asks for, the device that a part of the run is to use, or the
            package that quantizes weights.
    """
    quantization.check(config.llm.weights, config.llm.name)
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

    Of several processes each has a GPU of its own: ``cuda`` and ``auto`` are the one of its number.

    Raises:
        StudioError: the device that is asked for does not exist here, or the processes would share one GPU.
    """
    several = distributed.world_size() > 1
    available = ["cpu", *(["mps"] if torch.backends.mps.is_available() and not several else [])]
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if setting == "auto":
        setting = next(name for name in order if name in available)
    if setting.startswith("cuda") and setting in available and several:
        if setting != "cuda":
            raise StudioError(
                f"{distributed.world_size()} processes cannot share the GPU {setting!r}",
                where=where,
                remedy="choose auto, so that each takes its own, or run.processes=1",
            )
        setting = f"cuda:{distributed.local_rank()}"
    if setting not in available:
        raise StudioError(
            f"this machine has no device {setting!r}", where=where, remedy=f"choose auto, {', '.join(available)}"
        )
    return torch.device(setting)


def memory_mb(device: torch.device) -> float:
    """All memory of a GPU, or of the machine."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory / 1e6)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
