"""The soft prompt: k trainable vectors in the language model's embedding space (paper section IV-B)."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engine.errors import StudioError
from engine.labels import plural
from engine.llm.backbone import Backbone
from engine.llm.conditioner import Conditioner
from engine.seeds import generator
from engine.training import Tensors, write_atomically


class SoftPrompt(nn.Module):
    """``weight``: float32 ``[k, width]``, whatever the model's dtype; cast where it is spliced in.

    ``head``: what a verbalizer learned with it (:meth:`TitleHead.learned`), and is read with; empty for others.
    ``conditioner``: how it depends on the history; ``None``: it is the same for all.
    """

    def __init__(
        self,
        weight: Tensor,
        backbone_name: str,
        head: Tensors | None = None,
        conditioner: Conditioner | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone().float())
        self.backbone_name = backbone_name
        self.head: Tensors = head or {}
        self.conditioner = conditioner

    def __len__(self) -> int:
        return len(self.weight)

    @classmethod
    def from_vocabulary(cls, backbone: Backbone, tokens: int, seed: int) -> SoftPrompt:
        """Start from the embeddings of ``tokens`` ordinary tokens drawn with ``seed``."""
        ordinary = backbone.encoder.ordinary
        drawn = generator(seed, "soft-prompt").choice(len(ordinary), tokens, replace=tokens > len(ordinary))
        ids = torch.tensor([ordinary[i] for i in drawn], device=backbone.device)
        return cls(backbone.embed_tokens(ids), backbone.name).to(backbone.device)

    def save(self, path: Path) -> None:
        """Write safetensors whose metadata name the backbone."""
        metadata = {"backbone": self.backbone_name} | (self.conditioner.metadata() if self.conditioner else {})
        write_atomically(self.tensors(), path, metadata)

    def tensors(self) -> dict[str, Tensor]:
        """All that it has learned, and the weights of the teacher that it depends on."""
        return {"weight": self.weight, **self.head, **(self.conditioner.tensors() if self.conditioner else {})}

    @classmethod
    def load(cls, path: Path, backbone: Backbone, n_items: int) -> SoftPrompt:
        """Read what :meth:`save` wrote; ``n_items``: of the catalogue whose histories it is to be asked about.

        Raises:
            StudioError: missing or damaged file, made for another backbone, or with a teacher of another catalogue.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            weight, made_for = tensors["weight"], metadata.get("backbone", "")
            head = {name: tensor for name, tensor in tensors.items() if name.startswith("head.")}
            conditioner = Conditioner.read(tensors, metadata)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise StudioError(
                f"no readable soft prompt: {error}", where=str(path), remedy="run stage 1 again, or name another run"
            ) from None
        if weight.ndim != 2 or weight.shape[1] != backbone.width or made_for != backbone.name:
            raise StudioError(
                f"this soft prompt belongs to {made_for or 'another model'}, not to {backbone.name}",
                where=str(path),
                remedy="use the same llm.name as the run that made it",
            )
        if conditioner is not None and conditioner.teacher.n_items != n_items:
            known = plural(conditioner.teacher.n_items, "item")
            fault = f"this soft prompt's teacher knows {known}, the catalogue has {n_items}"
            raise StudioError(fault, where=str(path), remedy="use one of a run on the same data set")
        return cls(weight, made_for, head, conditioner).to(backbone.device)
