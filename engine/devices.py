"""Where tensors live: the processor, or a GPU where there is one; of several processes each has its own."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from engine import distributed, quantization
from engine.backbones import STATE_SPACE
from engine.config import Placement, RunConfig
from engine.errors import StudioError
from engine.locations import known_facts


def check_machine(config: RunConfig, processes: int | None = None) -> None:
    """Make sure that this machine has what a run's settings name, before any work is done.

    Args:
        processes: how many will work together; ``None``: those that do.

    Raises:
        StudioError: it lacks the GPU that ``run.device`` asks for, the device that a part of the run is to use, the
            package that quantizes weights, or what the placement of weights needs.
    """
    quantization.check(config.llm.weights, config.llm.name)
    if config.run.device == "gpu" and not torch.cuda.is_available():
        raise StudioError(
            "the run asks for a GPU, and PyTorch finds none on this machine",
            where="run.device=gpu",
            remedy="queue it for a worker that has one, or set run.device=any",
        )
    device = choose_device(config.llm.device, "llm.device")
    placement, remedy = config.run.placement, "set run.placement=whole"
    if placement == "offloaded" and device.type != "cuda":
        what = f"weights are offloaded from a GPU, and the language model is on this machine's {device.type}"
        raise StudioError(what, where="run.placement=offloaded", remedy=remedy)
    # A run of several may go on in one, which then has all of the weights.
    if placement == "sharded" and max(processes or distributed.world_size(), config.run.processes) == 1:
        what = "one process has nobody to share the weights with"
        raise StudioError(
            what, where="run.placement=sharded", remedy=f"set run.processes to at least 2, or {remedy[4:]}"
        )
    refuse_unsplittable(config.llm.name, known_facts(config.llm.name).get("model_type"), placement)
    choose_device(config.teacher.device, "teacher.device")


def refuse_unsplittable(name: str, model_type: object, placement: Placement) -> None:
    """Raise :class:`StudioError` where blocks of the model called ``name`` can be read only where they are whole."""
    if placement != "whole" and model_type in STATE_SPACE:
        what = f"the weights of {name} cannot be {placement}: {model_type} kernels read them past their layers"
        raise StudioError(what, where=f"run.placement={placement}", remedy="set run.placement=whole")


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
