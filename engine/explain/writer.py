"""The language model writes: streamed tokens from the backbone, freely or under a grammar, sampled with a seed."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor

from engine.explain.constraint import Constraint, unwritable
from engine.llm import Backbone, Prompt, Segment
from engine.seeds import derive

MOST_TOKENS = 120
TEMPERATURE = 0.7
NUCLEUS = 0.9
"""Share of the probability from which a sampled token comes."""
ENOUGH, TOO_MUCH = 200, 1000
"""Tokens under a grammar, most of them in titles: after so many a text ends with its sentence, or is given up."""


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
    sent = ""
    state = _Reply(backbone, backbone.embed([encoded]).inputs, adapter)
    ends = _ends(backbone)
    while len(ids) < min(most, backbone.context - len(encoded)):
        logits = state.step(ids[-1:])
        token = int(logits.argmax()) if sample == 0 else _drawn(logits, random)
        if token in ends:
            return
        ids.append(token)
        text = backbone.tokenizer.decode(ids, skip_special_tokens=True)
        if not text.endswith("\ufffd"):  # half a character
            yield text[len(sent) :]
            sent = text


def write_under(
    backbone: Backbone, request: str, grammar: str, *, adapter: bool, seed: int = 0
) -> Iterator[Iterator[str]]:
    """Replies that the grammar allows, without end, each as its pieces; a reply is written as it is read.

    Every token is drawn from the model's own distribution over what the grammar lets come next; what must come, as the
    rest of a title, is read in one step. The request is read once.

    Raises:
        Unwritable: the grammar or the tokenizer cannot be followed, or a text came to no end.
        StudioError: the request is longer than the model's context.
    """
    encoded = backbone.encode(Prompt((Segment(request),), ""))
    ends = _ends(backbone)
    grammatical = Constraint(backbone, grammar, ends)
    asked = _Reply(backbone, backbone.embed([encoded]).inputs, adapter)
    beginning = asked.step([])

    def reply(sample: int) -> Iterator[str]:
        random = torch.Generator().manual_seed(derive(seed, "under a grammar", sample))
        constraint, state = grammatical.fresh(), asked.fresh()
        logits, ids, sent = beginning, list[int](), ""
        while not constraint.over and not (len(ids) > ENOUGH and constraint.complete):
            if len(ids) >= min(TOO_MUCH, backbone.context - len(encoded)):
                raise unwritable(f"a text about these titles is longer than {len(ids)} tokens")
            shares = constraint.allowed(logits).softmax(dim=0)
            token = int(torch.multinomial(shares, 1, generator=random))
            if token in ends and constraint.complete:
                return
            new = [token, *constraint.take(token)]
            ids += new
            text = backbone.tokenizer.decode(ids, skip_special_tokens=True).lstrip()
            if not text.endswith("\ufffd"):
                yield text[len(sent) :]
                sent = text
            if not constraint.over:
                logits = state.step(new)

    return map(reply, count())


class _Reply:
    """A reply under way: the request is read once, then what is written."""

    def __init__(self, backbone: Backbone, inputs: Tensor, adapter: bool) -> None:
        self.backbone = backbone
        self.inputs = inputs.detach()
        self.adapter = adapter
        self.memory: Any = None
        self.encoded: Any = None

    def fresh(self) -> _Reply:
        """Another reply that goes on from here."""
        other = copy.copy(self)
        other.memory = copy.deepcopy(self.memory)
        return other

    def step(self, new: Sequence[int]) -> Tensor:
        """float32 ``[vocabulary]`` on the CPU: logits of the next token, after the ``new`` ones."""
        # the adapter is switched for one step at a time: whoever reads may ask the model other things in between
        with torch.inference_mode(), contextlib.nullcontext() if self.adapter else self.backbone.without_adapter():
            return self._step(new)

    def _step(self, new: Sequence[int]) -> Tensor:
        model = self.backbone.model
        options: dict[str, Any] = {"past_key_values": self.memory, "use_cache": True}
        if not self.backbone.encoder_decoder:
            if new and self.memory is not None:
                options["input_ids"] = self._ids(new)
            else:
                if new:  # a model that keeps its state in ways of its own: it reads all anew
                    added = self.backbone.embed_tokens(self._ids(new))
                    self.inputs = torch.cat([self.inputs, added], dim=1)
                options["inputs_embeds"] = self.inputs
            options["logits_to_keep"] = 1
        else:
            if self.encoded is None:
                self.encoded = model.get_encoder()(inputs_embeds=self.inputs)
            first = int(model.config.decoder_start_token_id)
            options |= {"encoder_outputs": self.encoded, "decoder_input_ids": self._ids(new or [first])}
        output = model(**options)
        self.memory = getattr(output, "past_key_values", None)
        logits: Tensor = output.logits[0, -1].float().cpu()
        return logits

    def _ids(self, tokens: Sequence[int]) -> Tensor:
        return torch.tensor([list(tokens)], device=self.inputs.device)


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
