"""Stage 2: AdaLoRA on the ground truth, with the soft prompt frozen (paper section IV-C)."""

from engine.finetune.adalora import load_adapter, save_adapter
from engine.finetune.stage import finetune

__all__ = ["finetune", "load_adapter", "save_adapter"]
