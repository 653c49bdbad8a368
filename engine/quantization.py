"""Frozen weights in 8 or 4 bits, by bitsandbytes through Transformers; adapters keep their own number format."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from engine.backbones import TINY
from engine.errors import StudioError

if TYPE_CHECKING:
    import torch

WeightFormat = Literal["full", "8bit", "4bit"]


def available() -> bool:
    """Whether this machine has what quantizes."""
    return find_spec("bitsandbytes") is not None


def check(weights: WeightFormat, name: str) -> None:
    """Make sure that weights can be quantized, before any are fetched.

    Raises:
        StudioError: bitsandbytes is missing, or the model called ``name`` is one of the tiny random ones.
    """
    if weights == "full":
        return
    if name in TINY:
        raise StudioError(f"{name} is not quantized", where="llm.weights", remedy="set llm.weights=full")
    if not available():
        raise StudioError(
            f"{weights} weights need the package bitsandbytes",
            where="llm.weights",
            remedy="pip install 'delrec-studio[bitsandbytes]', or set llm.weights=full",
        )


def keep_differentiable(model: Any) -> None:
    """Let the quantized layers of ``model`` pass gradients back wherever they are.

    On processors with bf16 instructions bitsandbytes turns a layer of 4 bits that is asked without gradients into a
    form that has none any more, and adapters below would learn nothing from then on.
    """
    for part in model.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False


def settings(weights: WeightFormat, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """What ``from_pretrained`` is told beside: layers compute in ``dtype`` and lie on ``device`` from the start."""
    if weights == "full":
        return {}
    from transformers import BitsAndBytesConfig

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # else a line of a run's log for every product
    if weights == "8bit":
        # Columns apart for what is large in a batch would let a text's beginning depend on all that stands beside it.
        chosen = BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
    else:
        chosen = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    return {"quantization_config": chosen, "device_map": {"": device}}
