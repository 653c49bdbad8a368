"""Decoder-only models: in the engine's own way where it proves to be right, else by Transformers' forward pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from engine.errors import StudioError
from engine.llm.attention import Span
from engine.llm.backbone import Backbone, Continuations, Embedded
from engine.llm.decoder import read
from engine.llm.frame import Frame
from engine.llm.library import Library, blocks
from engine.llm.memory import Memory
from engine.llm.packing import Packed, pack
from engine.llm.proof import Found, Way, prove, prove_head
from engine.llm.sharing import share

PROOF = 192
"""Tokens of the text by which a way to read is proved, and ..."""
BEYOND = 64
"""... by how many it is longer than any length from which on a model may read otherwise."""
RESCALED = "original_max_position_embeddings"
"""The number of tokens beyond which some models scale the positions of a whole text."""
NO_LENGTH = re.compile(r"num_.*|.*_id|vocab_size|hidden_size|intermediate_size|head_dim")
"""Names of numbers in a configuration that count no tokens."""


class CausalBackbone(Backbone):
    """A decoder whose answer slot is the last token of the prompt."""

    family = "causal"
    default_targets = (
        ("q_proj", "v_proj"),
        ("query", "value"),
        ("query_key_value",),
        ("qkv_proj",),
        ("c_attn",),
        ("Wqkv",),
        ("in_proj",),
    )

    def __init__(
        self, model: Any, tokenizer: Any, name: str, source: str, context: int, frame: Frame | None = None
    ) -> None:
        super().__init__(model, tokenizer, name, source, context, frame)
        self.memory: Memory | None = None
        self._found: dict[int, Found] = {}
        """By length of the proof."""

    def remember(self, layers: int) -> None:
        self.memory = Memory(layers) if layers else None

    def prove(self, length: int = 0) -> None:
        self._way(length)
        _ = self.linear_head

    @cached_property
    def linear_head(self) -> bool:
        with self.without_adapter():
            return prove_head(self._library, self.encoder.ordinary, self.name)

    def logits(self, states: Tensor) -> Tensor:
        return super().logits(states) if self.linear_head else self._library.logits(states)

    def answer_states(self, batch: Embedded) -> Tensor:
        if self._way(int(batch.lengths.max())) != "packed":
            return self._library.answers(batch)
        layout = share(batch)
        inputs = layout.gather(batch.inputs)
        return read(self._decoder(), inputs, layout.position, layout.spans, layout.ends, self.memory)

    def continuation_logprobs(self, batch: Embedded, continuations: Continuations) -> Tensor:
        packed = pack(continuations, None, self.device)
        longest = max(
            length + len(tokens)
            for length, row in zip(batch.lengths.tolist(), continuations, strict=True)
            for tokens in row
        )
        if (way := self._way(longest)) == "packed":
            answers, behind = self._continued_packed(batch, packed)
        else:
            answers, behind = self._continued(batch, continuations, way)
        first = torch.tensor([[tokens[0] for tokens in row] for row in continuations], device=self.device)
        likelihood = self.logits(answers).float().log_softmax(1).gather(1, first)  # one row per prompt, not per text
        if not len(behind):  # every title is a single token
            return likelihood
        return likelihood + packed.total(self._target_logprobs(behind, packed.targets[packed.real()]), first.shape[1])

    def _continued_packed(self, batch: Embedded, packed: Packed) -> tuple[Tensor, Tensor]:
        """States at the ends of prompts, ``[B, width]``, and at all further tokens of continuations, ``[N, width]``."""
        layout = share(batch)
        places, visible = packed.real(), packed.visible()
        spans = list(layout.spans)
        for leaf, seen, size in zip(layout.leaves, visible, packed.sizes(), strict=True):
            if size:
                start = spans[-1].end
                spans.append(Span(start, start + size, leaf.path, seen[:size, :size]))
        N, B = len(layout.position), len(layout.leaves)
        states = read(
            self._decoder(),
            torch.cat([layout.gather(batch.inputs), self.embedding()(packed.inputs[places])]),
            torch.cat([layout.position, batch.lengths[places[0]] + packed.offset[places]]),
            spans,
            [*layout.ends, *range(N, spans[-1].end)],
            self.memory,
        )
        return states[:B], states[B:]

    def _continued(self, batch: Embedded, continuations: Continuations, way: Way) -> tuple[Tensor, Tensor]:
        """The same by the library."""
        ends, behind = [], []
        for inputs, length, row in zip(batch.inputs, batch.lengths.tolist(), continuations, strict=True):
            fed = [self.embedding()(torch.tensor(tokens[:-1], dtype=torch.int64, device=self.device)) for tokens in row]
            end, states = self._library.continued(inputs[:length], fed, cached=way == "cached")
            ends.append(end)
            behind += states
        return torch.stack(ends), torch.cat(behind) if behind else ends[0].new_empty(0, self.width)

    def token_states(self, inputs: Tensor) -> Tensor:
        """State after the final norm at each of ``inputs [B, T, width]``, which has seen what stands before it."""
        return self.states_behind(inputs.new_empty(0, inputs.shape[2]), inputs)

    def states_behind(self, trunk: Tensor, inputs: Tensor) -> Tensor:
        """The same behind a ``trunk [P, width]`` that all of ``inputs [B, T, width]`` begin with, which is read once.

        Returns:
            ``[B, 1 + T, width]``: the state at the trunk's last token, then those at the inputs; without a trunk
            ``[B, T, width]``.
        """
        P, (B, T, width) = len(trunk), inputs.shape
        if self._way(P + T) != "packed":
            whole = torch.cat([trunk.expand(B, -1, -1), inputs], dim=1)
            return self._library.states(whole)[:, max(P - 1, 0) :]
        opening = [Span(0, P)] if P else []
        rows = [Span(P + T * row, P + T * (row + 1), tuple(opening)) for row in range(B)] if T else []
        position = torch.arange(P + T, device=self.device)
        states = read(
            self._decoder(),
            torch.cat([trunk, inputs.flatten(0, 1)]),
            torch.cat([position[:P], position[P:].repeat(B)]),
            [*opening, *rows],
            range(max(P - 1, 0), P + B * T),
        )
        before = states[: min(P, 1)].expand(B, -1, -1)
        return torch.cat([before, states[min(P, 1) :].view(B, T, width)], dim=1)

    def keep_layers(self, count: int | None) -> None:
        """Drop all blocks but the first ``count``; the final norm and the embeddings stay. ``None`` keeps all.

        Raises:
            StudioError: the model has fewer.
        """
        self.check_layers(count)
        if count is None:
            return
        decoder = self._decoder()
        name, kept = blocks(decoder)
        parent, _, own = name.rpartition(".")
        setattr(decoder.get_submodule(parent), own, kept[:count])
        decoder.config.num_hidden_layers = count

    def check_layers(self, count: int | None) -> None:
        """Raises StudioError if :meth:`keep_layers` could not keep so many."""
        if count is not None and count > self.layer_count:
            raise StudioError(
                f"{self.name} has {self.layer_count} layers, not {count}",
                where="plus.layers",
                remedy="lower it, or leave it empty for all",
            )

    def layers(self) -> list[str]:
        _, own = blocks(self._decoder())
        prefix = next(name for name, module in self._core().named_modules() if module is own)
        return [f"{prefix}.{index}" for index in range(len(own))]

    def _way(self, length: int) -> Way:
        """How texts of ``length`` tokens are read."""
        if length > self.context:
            raise StudioError(
                f"a prompt and its answer of {length} tokens do not fit {self.name}'s context of {self.context} tokens",
                where="data.history, data.candidates",
                remedy="lower what the prompt holds",
            )
        config = self._decoder().config.to_dict()
        bounds = [number for _, number in _lengths(config) if number < length]
        rescaled = [number for name, number in _lengths(config) if name == RESCALED]
        # Longer than the windows and bounds within the text, but not than one beyond it that changes all positions.
        size = max(PROOF, *(number + BEYOND for number in bounds), 0)
        size = min(size, self.context, *(number for number in rescaled if number >= length))
        if size not in self._found:
            with self.without_adapter():
                beginnings = [number for number in rescaled if number < size]
                found = prove(self._library, self.encoder.ordinary, size, self.name, beginnings)
            if found.way != "packed" and all(earlier.way == "packed" for earlier in self._found.values()):
                self.tell(
                    f"{self.name} is read by Transformers' own forward pass, which takes longer: the engine's differs"
                    f" ({found.reason})"
                )
            self._found[size] = found
        return self._found[size].way

    @cached_property
    def _library(self) -> Library:
        return Library(self._core())

    def _decoder(self) -> Any:
        return self._library.decoder


def _lengths(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Names and values of whole numbers in a configuration that may count tokens, such as the size of a window."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _lengths(value)
        elif type(value) is int and not NO_LENGTH.fullmatch(name):
            yield name, value


def left_to_right(backbone: Backbone) -> CausalBackbone:
    """``backbone``, if it reads from left to right, so that one pass answers behind every title.

    Raises:
        StudioError: it reads a text as a whole.
    """
    if not isinstance(backbone, CausalBackbone):
        raise StudioError(
            f"{backbone.name} reads a text as a whole; DELRec-plus needs a model that reads from left to right",
            where="plus.enabled",
            remedy="set plus.enabled=false, or choose a causal model in llm.name",
        )
    return backbone
