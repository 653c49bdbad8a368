"""Copies from the host's memory to where a model computes: what every step takes there, prompts, windows, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def to_device(
    values: Tensor | np.ndarray | Sequence[Any], device: torch.device, dtype: torch.dtype | None = None
) -> Tensor:
    """``values`` as a tensor on ``device``; elsewhere than on the host already, they are copied from there.

    To a GPU of NVIDIA or AMD the host copies by pinned memory and does not wait: what the GPU is asked next waits for
    the copy by itself, and pinned memory is not used again before. To the processor nothing is copied.
    """
    tensor = torch.as_tensor(values, dtype=dtype)
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
