"""Backbone, verbalizer and soft prompt put together: prompts in, scores or a training loss out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.llm.backbone import Backbone, Embedded
from engine.llm.encoder import Encoded
from engine.llm.prompts import Prompt
from engine.llm.soft_prompt import SoftPrompt
from engine.llm.verbalizers.base import StateVerbalizer, Verbalizer
from engine.transfer import to_device


class PromptScorer:
    """Scores the candidates of prompts; with a soft prompt, prompts must have a place for it, and without, none."""

    def __init__(
        self, backbone: Backbone, verbalizer: Verbalizer, soft_prompt: SoftPrompt | None = None, batch_size: int = 16
    ) -> None:
        self.backbone = backbone
        self.verbalizer = verbalizer
        self.soft_prompt = soft_prompt
        self.batch_size = batch_size

    @torch.inference_mode()
    def scores(self, prompts: Sequence[Prompt], candidates: np.ndarray) -> np.ndarray:
        """Scores without gradients, float32 ``[prompts, m]`` in the order of ``prompts``.

        Prompts of similar length run together, because a backbone may pad them, and those about one history side by
        side, because it may read that once; results do not depend on it.

        Args:
            candidates: int64 ``[prompts, m]`` dense item ids, in the order of each prompt's candidate list.

        Raises:
            StudioError: a prompt is longer than the context; said before the model runs.
        """
        encoded = self.encode(prompts)
        results = np.empty(candidates.shape, dtype=np.float32)
        order = sorted(range(len(encoded)), key=lambda i: (len(encoded[i].head), encoded[i].head, len(encoded[i])))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            batch = self._embed([prompts[i] for i in chosen], [encoded[i] for i in chosen])
            results[chosen] = self.verbalizer.scores(batch, self._ids(candidates[chosen])).cpu().numpy()
        return results

    def logits(self, prompts: Sequence[Prompt], candidates: np.ndarray) -> Tensor:
        """The same scores as one differentiable batch: float32 ``[prompts, m]`` on the backbone's device."""
        return self.verbalizer.scores(self.embed(prompts), self._ids(candidates))

    def loss(
        self, prompts: Sequence[Prompt], candidates: np.ndarray, targets: np.ndarray, temperature: float = 1.0
    ) -> Tensor:
        """The verbalizer's training loss, a scalar; differentiable in the soft prompt and in adapters.

        Args:
            targets: int64 ``[prompts]``, position of the right candidate, or float32 ``[prompts, m]``, probabilities
                at the ``temperature``.
        """
        labels = to_device(targets, self.backbone.device)
        return self.verbalizer.loss(self.embed(prompts), self._ids(candidates), labels, temperature)

    def slot_scores(self, prompts: Sequence[Prompt], *, ends: bool = False) -> Tensor:
        """Scores of the whole catalogue at every slot of every prompt, or at their ends alone.

        Returns:
            float32 ``[slots, items]``, prompt after prompt; differentiable.

        Raises:
            TypeError: the verbalizer cannot score a catalogue.
        """
        if not isinstance(self.verbalizer, StateVerbalizer):
            raise TypeError(f"{type(self.verbalizer).__name__} scores candidates only")
        batch = self.embed(prompts)
        return self.verbalizer.catalogue_scores(batch) if ends else self.verbalizer.slot_scores(batch)

    @torch.inference_mode()
    def catalogue_scores(self, prompts: Sequence[Prompt]) -> np.ndarray:
        """Scores of the whole catalogue at the ends of prompts: float32 ``[prompts, items]``."""
        parts = [prompts[start : start + self.batch_size] for start in range(0, len(prompts), self.batch_size)]
        return np.concatenate([self.slot_scores(part, ends=True).cpu().numpy() for part in parts])

    def encode(self, prompts: Sequence[Prompt]) -> list[Encoded]:
        """The prompts as the model reads them, with places for the soft prompt.

        Raises:
            StudioError: one is longer than the context.
        """
        tokens = 0 if self.soft_prompt is None else len(self.soft_prompt)
        return [self.backbone.encode(prompt, tokens) for prompt in prompts]

    def embed(self, prompts: Sequence[Prompt]) -> Embedded:
        """The same as embeddings, with the soft prompt in its places; differentiable in it."""
        return self._embed(prompts, self.encode(prompts))

    def _embed(self, prompts: Sequence[Prompt], encoded: Sequence[Encoded]) -> Embedded:
        soft = self.soft_prompt
        if soft is None:
            return self.backbone.embed(encoded)
        batch = self.backbone.embed(encoded, soft.weight)
        histories = [prompt.history for prompt in prompts]
        return batch if soft.conditioner is None else soft.conditioner.shifted(batch, histories)

    def _ids(self, values: np.ndarray) -> Tensor:
        return to_device(values, self.backbone.device, torch.int64)
