"""The language model writes: streamed tokens from the backbone, greedily or sampled with a seed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from engine.llm import Backbone, Prompt, Segment
from engine.seeds import derive

MOST_TOKENS = 120
TEMPERATURE = 0.7
NUCLEUS = 0.9
"""Share of the probability from which a sampled token comes."""


def write(
    backbone: Backbone,
    request: str,
    *,
    adapter: bool,
    begin: str = "",
    sample: int = 0,
    seed: int = 0,
    most: int = MOST_TOKENS,
) -> Iterator[str]:
    """Pieces of the reply to ``request``, as they come.

    Args:
        adapter: whether a fine-tuned adapter that is attached stays on.
        begin: the beginning of the reply, which the model goes on from; it is not among the pieces.
        sample: 0 takes the likeliest token each time, other numbers draw, each its own text.
        most: tokens.

    Raises:
        StudioError: the request is longer than the model's context.
    """
    encoded = backbone.encode(Prompt((Segment(request),), begin))
    random = torch.Generator().manual_seed(derive(seed, "rationale", sample))
    ids: list[int] = []
    told = ""
    state = _Reply(backbone, backbone.embed([encoded]).inputs)
    ends = _ends(backbone)
    while len(ids) < min(most, backbone.context - len(encoded)):
        # the adapter is switched for one step at a time: whoever reads may ask the model other things in between
        with torch.inference_mode(), contextlib.nullcontext() if adapter else backbone.without_adapter():
            logits = state.step(ids[-1] if ids else None)
        token = int(logits.argmax()) if sample == 0 else _drawn(logits, random)
        if token in ends:
            return
        ids.append(token)
        text = backbone.tokenizer.decode(ids, skip_special_tokens=True)
        if not text.endswith("\ufffd"):  # half a character
            yield text[len(told) :]
            told = text


class _Reply:
    """A reply under way: the request is read once, then one token at a time."""

    def __init__(self, backbone: Backbone, inputs: Tensor) -> None:
        self.backbone = backbone
        self.inputs = inputs.detach()
        self.memory: Any = None
        self.encoded: Any = None

    def step(self, last: int | None) -> Tensor:
        """float32 ``[vocabulary]`` on the CPU: logits of the next token, after the token ``last``."""
        model = self.backbone.model
        told: dict[str, Any] = {"past_key_values": self.memory, "use_cache": True}
        if self.backbone.family == "causal":
            if last is not None and self.memory is not None:
                told["input_ids"] = self._ids(last)
            else:
                if last is not None:  # a model that keeps its state in ways of its own: it reads all anew
                    added = self.backbone.embedding()(self._ids(last))
                    self.inputs = torch.cat([self.inputs, added], dim=1)
                told["inputs_embeds"] = self.inputs
            told["logits_to_keep"] = 1
        else:
            if self.encoded is None:
                self.encoded = model.get_encoder()(inputs_embeds=self.inputs)
            first = int(model.config.decoder_start_token_id)
            told |= {"encoder_outputs": self.encoded, "decoder_input_ids": self._ids(first if last is None else last)}
        output = model(**told)
        self.memory = getattr(output, "past_key_values", None)
        logits: Tensor = output.logits[0, -1].float().cpu()
        return logits

    def _ids(self, token: int) -> Tensor:
        return torch.tensor([[token]], device=self.inputs.device)


def _drawn(logits: Tensor, random: torch.Generator) -> int:
    """A token of the nucleus: the likeliest ones that together hold ``NUCLEUS`` of the probability."""
    shares, order = (logits / TEMPERATURE).softmax(dim=0).sort(descending=True)
    kept = shares * (shares.cumsum(dim=0) - shares < NUCLEUS)
    return int(order[torch.multinomial(kept, 1, generator=random)])


def _ends(backbone: Backbone) -> set[int]:
    config = getattr(backbone.model, "generation_config", None)
    own = getattr(config, "eos_token_id", None)
    listed = own if isinstance(own, list) else [own]
    return {int(token) for token in (*listed, backbone.tokenizer.eos_token_id) if token is not None}
