"""An encoder of sentences that reads titles in the language model's place (``llm.title_encoder``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from engine.errors import StudioError, first_line
from engine.llm.checkpoint import without_report

BATCH = 256
LONGEST = 128
"""Tokens of a title that are read."""
UNUSED = ("pooler", "lm_head", "cls.", "embeddings.position_ids")
"""Parts of encoders of which nothing is asked."""


class TitleEncoder:
    """The mean of an encoder's last states over a title's tokens, special ones included, as sentence encoders take it.

    Args:
        folder: a model in Hugging Face's format, with weights as safetensors.

    Raises:
        StudioError: no such model, or one whose weights are not all there.
    """

    def __init__(self, folder: Path, name: str) -> None:
        remedy = "name the folder or hub id of an encoder such as sentence-transformers/all-MiniLM-L6-v2"
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            with without_report():
                self.model, found = AutoModel.from_pretrained(
                    folder, **options, use_safetensors=True, output_loading_info=True
                )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            fault = f"{name} cannot be read as an encoder: {first_line(error)}"
            raise StudioError(fault, where="llm.title_encoder", remedy=remedy) from None
        if missing := sorted(key for key in found["missing_keys"] if not any(part in key for part in UNUSED)):
            fault = f"{name} lacks weights: {', '.join(missing[:3])}"
            raise StudioError(fault, where="llm.title_encoder", remedy=remedy)
        if getattr(self.model.config, "is_encoder_decoder", False):
            self.model = self.model.get_encoder()
        self.model.requires_grad_(False).eval()

    @torch.inference_mode()
    def read(self, titles: Sequence[str]) -> Tensor:
        """float32 ``[titles, width]``, on the processor; titles of like length run together."""
        order = sorted(range(len(titles)), key=lambda row: len(titles[row]))
        means: list[Tensor] = [torch.empty(0)] * len(titles)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = self.tokenizer(
                [titles[row] for row in rows], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
            )
            states = self.model(**batch).last_hidden_state.float()
            real = batch["attention_mask"][..., None].float()
            for row, mean in zip(rows, (states * real).sum(1) / real.sum(1), strict=True):
                means[row] = mean
        return torch.stack(means) if means else torch.empty(0, self.model.config.hidden_size)

    @property
    def prints(self) -> dict[str, str]:
        """What tells it from other encoders."""
        from engine.llm.fingerprint import print_of_weights

        return {"title encoder": print_of_weights(self.model.parameters())}
